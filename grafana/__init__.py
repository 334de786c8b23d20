"""Dashboards, rules and alerts, and the code that makes them."""
