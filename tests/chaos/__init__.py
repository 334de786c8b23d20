"""Chaos: real processes that die, hang and lie, with a hundred events and more in flight.

Each test ends alike: the viewers who are left leave, every host is told exactly once and none too
early, and Redis keeps nothing but the ledger (see :mod:`tests.chaos.account`).

``CHAOS_EVENTS=1000 pytest tests/chaos`` runs the same with a thousand events a test.
"""
