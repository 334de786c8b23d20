"""The example's record of notices."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from example_app import create_app, notices
from flask_streamend.signals import notification_failed, notification_sent


def test_a_notice_is_one_row_however_often_it_was_tried(app: Flask, client: FlaskClient) -> None:
    """A failure is shown with its reason, and the success after it takes its place."""
    end: dict[str, Any] = {"event_id": "friday-jam", "session": "s1", "clients": 0, "at": 17e8}
    with app.app_context():
        notification_failed.send(app, error="ConnectionRefusedError: <no>", **end)
    page = client.get("/events/friday-jam").text
    assert "Failed: ConnectionRefusedError: &lt;no&gt;" in page
    with app.app_context():
        notification_sent.send(app, **end)
        (row,) = notices.past("friday-jam")
        assert notices.attempts("friday-jam") == 2
    assert (row["status"], row["error"], row["created_at"]) == ("sent", None, 17e8)
    assert row["sent_at"] is not None
    assert row["subject"] == "Event Stream Ended - Friday jam"
    assert "Sent at attempt 2" in client.get("/events/friday-jam").text


def test_another_session_is_another_notice(app: Flask) -> None:
    """Each end of an event has its row, the newest first."""
    with app.app_context():
        for number in (1, 2):
            notification_sent.send(
                app, event_id="friday-jam", session=f"s{number}", clients=0, at=float(number)
            )
        assert [row["created_at"] for row in notices.past("friday-jam")] == [2.0, 1.0]


def test_one_application_does_not_record_for_another(app: Flask, redis_url: str) -> None:
    """A signal of another application is recorded in that one's database, and there alone."""
    other = create_app(STREAMEND_REDIS_URL=redis_url, DATABASE=app.config["DATABASE"] + ".other")
    with other.app_context():
        notification_sent.send(other, event_id="friday-jam", session="s", clients=0, at=1.0)
        assert notices.attempts("friday-jam") == 1
    with app.app_context():
        assert notices.attempts("friday-jam") == 0
