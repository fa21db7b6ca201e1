"""The screens; `router.py` is the script that Streamlit runs for each of them."""
