"""Dashboards and what goes with them, as their readers will read them."""
