"""Dashboards, rules and alerts, and the code that makes them.

``python -m grafana.build`` writes what is generated. The wheel carries the files and not the code,
by way of the link ``flask_streamend/grafana``.
"""
