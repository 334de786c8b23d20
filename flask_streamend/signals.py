"""Signals an application may connect to.

The sender is the application; each carries ``event_id``, ``session``, ``clients`` and ``at``
(seconds since the epoch, on the store's clock); ``event_ended`` also ``started_at``, ``duration``
(seconds), ``peak`` and ``unique_viewers``. ``event_ended``, ``notification_sent`` and
``notification_failed`` fire in the process that claims the end, often an RQ worker: connect them
where the application is made.
"""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

viewer_joined = _signals.signal("viewer-joined", "Somebody began to watch an event.")
viewer_left = _signals.signal("viewer-left", "Somebody stopped watching an event.")
event_started = _signals.signal("event-started", "An event's first viewer came.")
event_ending = _signals.signal("event-ending", "An event's last viewer left; its grace runs.")
event_resumed = _signals.signal("event-resumed", "Somebody came back within the grace.")
event_ended = _signals.signal("event-ended", "An event ended; its host is about to be told.")
notification_sent = _signals.signal("notification-sent", "A notice was accepted.")
notification_failed = _signals.signal("notification-failed", "An attempt at a notice failed.")
