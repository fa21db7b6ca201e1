"""All outgoing HTTP of the dashboard."""
