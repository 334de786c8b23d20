"""Record what became of each notice in the table ``emails``, from the extension's signals.

The host's page shows them. A site that has SQLAlchemy leaves this to the extension's
``SQLAlchemyDirectory``, which keeps the same table.
"""

from __future__ import annotations

import time

from flask import Flask

from example_app import db
from flask_streamend.signals import notification_failed, notification_sent

# One row for each end of an event: a notice that failed and was tried again is still one notice.
RECORD = """
INSERT INTO emails (event_id, session, host_id, channel, subject, status, attempts, error,
                    created_at, sent_at)
SELECT id, :session, host_id, 'email', 'Event Stream Ended - ' || name, :status, 1, :error,
       :at, :sent_at
  FROM events WHERE id = :event_id
    ON CONFLICT (event_id, session, channel) DO UPDATE
   SET status = excluded.status, attempts = attempts + 1, error = excluded.error,
       sent_at = excluded.sent_at
"""


def record_for(app: Flask) -> None:
    """Listen to one application's signals, wherever it runs: most often in an RQ worker."""
    notification_sent.connect(sent, app)
    notification_failed.connect(failed, app)


def sent(app: Flask, *, event_id: str, session: str, at: float, **_: object) -> None:
    """Note that the mail server took a notice."""
    record(
        event_id=event_id, session=session, status="sent", error=None, at=at, sent_at=time.time()
    )


def failed(
    app: Flask, *, event_id: str, session: str, at: float, error: str = "", **_: object
) -> None:
    """Note that an attempt failed; the extension tries again by itself."""
    record(event_id=event_id, session=session, status="failed", error=error, at=at, sent_at=None)


def record(**values: object) -> None:
    """Write the notice's row, or bring it up to date."""
    with db.connect() as database:
        database.execute(RECORD, values)


def past(event_id: str, most: int = 20) -> list[dict[str, object]]:
    """Return an event's notices, the newest first."""
    found = db.rows(
        "SELECT subject, status, attempts, error, created_at, sent_at FROM emails"
        " WHERE event_id = ? ORDER BY created_at DESC, id DESC LIMIT ?",
        event_id,
        most,
    )
    return [dict(row) for row in found]


def attempts(event_id: str) -> int:
    """Return how many attempts there were to tell the event's host, over all its ends."""
    row = db.row("SELECT total(attempts) AS attempts FROM emails WHERE event_id = ?", event_id)
    return int(row["attempts"]) if row else 0
