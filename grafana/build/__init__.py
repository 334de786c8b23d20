"""Make the dashboards, rules and alerts: ``python -m grafana.build``.

    expressions   PromQL, put together from a few macros
    looks         how each kind of panel is drawn
    panels        what a panel is, and the model Grafana reads
    controls      variables, links, annotations
    dashboards    panels on a grid, and a dashboard as bytes
    overview      what is on, was every host told, if not why; overview_rows has what lies below
    event         one event's life
    rules         recorded series
    alert         what an alert is; symptoms and causes are those there are, alerts their file
    dumping       rule files as bytes

Needs PyYAML, and for the dashboards Python 3.11 and the extra ``grafana``.
"""
