"""The example's story, told in no time: as an application's own tests would."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from example_app import create_app, notices
from flask_streamend.testing import Refused, live


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """Return the site with a database of its own; no Redis and no mail server."""
    return create_app(
        DATABASE=str(tmp_path / "site.sqlite3"),
        MAILBOX_DIR=str(tmp_path / "mailbox"),
        STREAMEND_REDIS_URL="memory://",
        STREAMEND_DELAY=30,
    )


def test_the_host_is_told_and_finds_it_on_the_page(app: Flask) -> None:
    """Half a minute after the last viewer left the host has a mail, and the page shows it."""
    with live(app) as stage:
        with stage.socket("friday-jam"), stage.socket("friday-jam"):
            assert app.test_client().get("/api/events/friday-jam").get_json()["clients"] == 2
        stage.advance(29)
        assert stage.mails == []
        stage.advance(1)
        (mail,) = stage.mails
        assert mail.subject == "Event Stream Ended - Friday jam"
        assert mail.recipients == ["hanna@example.org"]
        with app.app_context():
            (row,) = notices.past("friday-jam")
        assert (row["subject"], row["status"]) == (mail.subject, "sent")


def test_a_reload_is_no_end(app: Flask) -> None:
    """Who comes back within the grace keeps the event going."""
    with live(app) as stage:
        with stage.socket("friday-jam"):
            pass
        stage.advance(5)
        with stage.socket("friday-jam"):
            stage.advance(60)
            assert stage.mails == []


def test_an_event_that_is_not_there_lets_nobody_in(app: Flask) -> None:
    """The site's database decides which events there are."""
    with live(app) as stage:
        with pytest.raises(Refused) as refused, stage.socket("no-such-jam"):
            pass
        assert refused.value.response.status_code == 404
