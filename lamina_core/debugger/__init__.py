"""The webhook debugger: why a webhook does not verify, found by experiment."""
