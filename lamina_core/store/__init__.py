"""Where executions, deliveries and everything else is kept; the only place that builds SQL."""
