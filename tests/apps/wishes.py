"""The tests' site with each host's wishes in its events' ids, and a channel beside e-mail.

``jam~host-7~by-email.hook~digest-2~delay-3~muted``: host 7 has its ends within two seconds become
one message, by e-mail and by the channel ``hook``, and so on.
"""

from __future__ import annotations

import json
import os
import re

from flask import Flask

from flask_streamend import AppriseChannel, Event, Preferences, StreamEnd, WebhookChannel
from flask_streamend.notices.base import Channel

from ..hooks import Hook
from .watching import add_routes

#: What the webhooks are signed with.
SECRET = "whsec_dGhlIHRlc3RzJyBvd24gc2VjcmV0LCBub2JvZHkgZWxzZSdz"


def create_app() -> Flask:
    """Make the site; ``HOOK_URL`` is where the channel posts to, ``POST_URL`` those built in."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY="tests", MAIL_DEFAULT_SENDER="live@example.org")
    app.config.update(json.loads(os.environ["SITE_CONFIG"]))
    channels: list[Channel] = [Hook("hook", os.environ["HOOK_URL"])]
    if "POST_URL" in os.environ:
        url = os.environ["POST_URL"]
        channels += [WebhookChannel(url, SECRET, allow_private=True, timeout=30)]
        channels += [AppriseChannel(url.replace("http", "json", 1))]
    streamend = StreamEnd(channels=channels)
    streamend.init_app(app)
    streamend.event_loader(load_event)
    add_routes(app, streamend)
    return app


def load_event(event_id: str) -> Event | None:
    """Return an event as its id wishes; none for those whose host is ``gone``."""
    wishes = dict(re.findall(r"~(\w+)-([\w.]+)", event_id))
    host = wishes.get("host", "1")
    if host == "gone":
        return None
    return Event(
        event_id,
        f"The {event_id}",
        host,
        None if host == "nowhere" else f"host{host}@example.org",
        preferences=Preferences(
            channels=tuple(filter(None, wishes.get("by", "email").split("."))),
            muted="~muted" in event_id,
            delay=float(wishes["delay"]) if "delay" in wishes else None,
            digest=float(wishes["digest"]) if "digest" in wishes else None,
        ),
    )
