"""What the application gives: templates, and a loader that is asked no more than needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_streamend import Event, StreamEnd
from flask_streamend.testing import Refused, live

CONFIG = {
    "TESTING": True,
    "SECRET_KEY": "tests",
    "MAIL_DEFAULT_SENDER": "live@example.org",
    "STREAMEND_REDIS_URL": "memory://",
}


@pytest.fixture
def asked() -> list[str]:
    """Return the events the loader was asked for, in order."""
    return []


@pytest.fixture
def app(tmp_path: Path, asked: list[str]) -> Flask:
    """Return an application with a folder of templates of its own."""
    app = Flask(__name__, template_folder=str(tmp_path))
    app.config.update(CONFIG)
    streamend = StreamEnd(app)

    @streamend.event_loader
    def load_event(event_id: str) -> Event | None:
        asked.append(event_id)
        return None if event_id == "none" else Event(event_id, "Friday jam", "h1", "h@example.org")

    return app


def test_a_template_of_the_application_s_own_is_used(app: Flask, tmp_path: Path) -> None:
    """``streamend/notice.txt`` and ``.html`` of the application go before the package's."""
    (tmp_path / "streamend").mkdir()
    (tmp_path / "streamend" / "notice.txt").write_text("{{ event.name }} is over: {{ url }}")
    (tmp_path / "streamend" / "notice.html").write_text("<p>{{ body }}</p>")
    with live(app) as stage:
        with stage.viewer("jam"):
            pass
        stage.advance(30)
        (mail,) = stage.mails
    assert mail.body == "Friday jam is over: http://localhost:8081/events/jam\n"
    assert str(mail.html).startswith("<p>Your event &#34;Friday jam&#34; stream has ended.")


def test_the_loader_is_asked_once_and_afresh_at_the_end(app: Flask, asked: list[str]) -> None:
    """However many watch, the loader is asked once, and again when the host is to be told."""
    with live(app) as stage:
        with stage.socket("jam"), stage.socket("jam"), stage.viewer("jam"):
            assert asked == ["jam"]
        assert asked == ["jam"]
        stage.advance(30)
        assert len(stage.notices) == 1
        assert asked == ["jam", "jam"]


def test_no_such_event_is_remembered(app: Flask, asked: list[str]) -> None:
    """Who asks again for an event that is not there does not trouble the loader again."""
    with live(app) as stage:
        for _ in range(3):
            with pytest.raises(Refused), stage.socket("none"):
                pass
    assert asked == ["none"]
