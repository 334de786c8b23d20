"""Porchlight, a small streaming site: the model of how to use flask_streamend.

Read this file first; it has all that the extension needs. Then, as far as you like::

    people.py     who they are, by Flask-Login
    pages.py      what a viewer and a host see, and the small JSON behind it
    stream.py     what is streamed (music.py composes it), as server-sent events
    hls.py        what a real streaming server beside it streams: nginx.conf
    notices.py    what became of each notice, recorded from the extension's signals
    inbox.py      the mails that were sent, as the mail server received them
    db.py         three tables in SQLite
    config.py     settings from the environment
    __main__.py   the whole site on one machine, with a visit that plays itself
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask, session
from flask_login import current_user

from example_app import config, db, notices, people
from flask_streamend import Event, StreamEnd

# One object for the whole program. It keeps nothing of an application in itself, so each
# application that create_app makes can register it.
streamend = StreamEnd()


@streamend.event_loader
def load_event(event_id: str) -> Event | None:
    """Say what the event is called and who is told of its end; None: there is no such event."""
    row = db.row(
        "SELECT events.id, events.name, events.host_id, users.email"
        " FROM events JOIN users ON users.id = events.host_id WHERE events.id = ?",
        event_id,
    )
    if row is None:
        return None
    return Event(id=row["id"], name=row["name"], host_id=row["host_id"], host_email=row["email"])


@streamend.viewer_loader
def load_viewer(event_id: str) -> str | None:
    """Say who opens the socket: who is signed in, or a visitor; None would refuse them."""
    return current_user.get_id() or session.get("visitor") or f"visitor-{secrets.token_hex(4)}"


def create_app(**overrides: object) -> Flask:
    """Make the application: ``flask --app example_app run``, gunicorn and ``rq worker`` call this.

    :param overrides: settings that go before those of the environment, for tests.
    """
    app = Flask(__name__)
    app.config.from_mapping(config.from_environment(os.environ, Path(app.instance_path)))
    app.config.from_mapping(overrides)
    db.create(app.config["DATABASE"])
    people.logins.init_app(app)

    # The extension adds this method to Flask, where no type checker can see it; StreamEnd(app) and
    # streamend.init_app(app) do the same. From here on the application has /ws/<event_id>,
    # /streamend/streamend.js, /health and /metrics, and where there is a token for operators
    # /streamend/status. Mail goes out through Flask-Mail's MAIL_*.
    app.register_extension(streamend)  # type: ignore[attr-defined]

    # What became of each notice is told by signals; the host's page shows it.
    notices.record_for(app)

    # The pages use `streamend` above, so they can only be imported once it is there.
    from example_app import hls, inbox, pages, stream

    for module in (people, pages, stream, hls, inbox):
        app.register_blueprint(module.blueprint)
    return app
