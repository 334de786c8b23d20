"""Measurements of the package against its promises 5 and 6: ``python -m benchmarks <name>``.

::

    connect     what a viewer costs, beside bare flask-sock and others
    told        from the last viewer's leaving to the mail, beside others
    latency     from an event's due instant to the mail server's acceptance
    traffic     what a viewer does to Redis, beside others
    scrape      what a scrape of the metrics page costs
    stored      what live events cost in Redis
    rest        what it costs where nothing happens
    scale       a million viewers, simulated, on a real Redis

    contestants who is measured               rivals, rival_worker  the others
    parts       the processes a measurement starts, and their ends
    sites       the applications measured     viewers, sink     the client and the mail server
    processes   web processes without sockets
    readings    CPU and memory of a process   figures           medians, spreads, tables
    page, answers, chart    the pages and the picture made of the figures
"""
