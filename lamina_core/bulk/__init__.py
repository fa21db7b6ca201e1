"""Operations on many executions: chosen by id, previewed, stored, and run in the background."""
