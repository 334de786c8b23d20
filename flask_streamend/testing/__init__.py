"""For an application's own tests: no Redis, no mail server, no waiting.

::

    from flask_streamend.testing import live

    def test_the_host_is_told(app):
        with live(app) as stage:
            with stage.viewer("friday-jam"):
                assert stage.clients("friday-jam") == 1
            stage.advance(29)
            assert stage.notices == []
            stage.advance(1)
            assert [notice.event.name for notice in stage.notices] == ["Friday jam"]

Time is moved by hand, viewers come and go by call or by a socket over the test client, and what is
sent is a list. For pytest, :mod:`flask_streamend.testing.plugin` has the fixture ``stage``.
"""

from __future__ import annotations

from .sockets import Refused, Socket
from .stage import BEGIN, Stage, live

__all__ = ["BEGIN", "Refused", "Socket", "Stage", "live"]
