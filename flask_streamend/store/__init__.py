"""The store: what is true of events, viewers, ends and notices, across processes.

:mod:`interface` says what a store does, :mod:`redis` does it in Lua, one script an atomic act. Times
inside a store are whole milliseconds of the store's own clock.
"""
