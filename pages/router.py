"""The script that Streamlit runs for every screen: the frame, and inside it the screen asked for."""

import streamlit as st

from pages.components import frame, messages, navigation

st.set_page_config(page_title="Lamina Desk", page_icon="🔷", layout="wide")
page = st.navigation(list(navigation.build_pages().values()))
with messages.shown(), frame.one_reading():
    frame.show_frame(page.url_path)
    page.run()
