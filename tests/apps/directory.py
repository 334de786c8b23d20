"""The tests' site over tables, and those tables, in any database."""

from __future__ import annotations

import os

from flask import Flask
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
)

from flask_streamend import SQLAlchemyDirectory
from flask_streamend.state import state_of

from . import watching

METADATA = MetaData()
USERS = Table(
    "users",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("email", String(320)),
    Column("notification_preferences", JSON),
)
EVENTS = Table(
    "events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("host_id", ForeignKey("users.id")),
    Column("notification_delay", Float),
)
EMAILS = Table(
    "emails",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("message_id", String(255)),
    Column("event_id", ForeignKey("events.id"), nullable=False),
    Column("session", String(64), nullable=False),
    Column("host_id", ForeignKey("users.id")),
    Column("channel", String(64), nullable=False),
    Column("subject", String(255)),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer),
    Column("error", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("sent_at", DateTime(timezone=True)),
    UniqueConstraint("event_id", "session", "channel"),
)


def fill(engine: Engine, *event_ids: str) -> None:
    """Make the tables anew, with one host and these events."""
    METADATA.drop_all(engine)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        connection.execute(USERS.insert(), {"id": 1, "email": "host@example.org"})
        rows = [{"id": one, "name": f"The {one}", "host_id": 1} for one in event_ids]
        if rows:
            connection.execute(EVENTS.insert(), rows)


def create_app() -> Flask:
    """Make the site; ``DATABASE`` is its database's address."""
    app = watching.create_app()
    directory = SQLAlchemyDirectory(create_engine(os.environ["DATABASE"]))
    state_of(app).extension.event_loader(directory)
    return app
