"""Dashboards, rules and alerts: what they say is so, on real Prometheus and Alertmanager."""
