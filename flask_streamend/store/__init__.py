"""The store: what is true of events, viewers, ends and notices, across processes.

:mod:`interface` says what a store does, :mod:`redis` does it in Lua, one script an atomic act. All
times inside a store are whole milliseconds of its own clock.
"""
