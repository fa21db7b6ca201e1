"""Everything of Lamina Desk that is not a screen; never imports streamlit."""
