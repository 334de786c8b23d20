"""Measurements of the package against its promises 5 and 6: ``python -m benchmarks <name>``.

::

    connect     what a viewer costs, against bare flask-sock endpoints
    latency     from an event's due instant to the mail server's acceptance

    parts       the processes a measurement starts, and their ends
    sites       the applications measured     viewers, sink     the client and the mail server
    readings    CPU and memory of a process   figures           medians, spreads, tables
"""
