"""The example's mailbox: mails as files."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from example_app import letters


def mail(event_id: str) -> bytes:
    """Write a mail as the extension would."""
    message = EmailMessage()
    message["Subject"] = "Event Stream Ended - é"
    message.set_content(f"View Event Dashboard: http://localhost:8081/events/{event_id}\n")
    return message.as_bytes()


def test_a_mail_is_kept_byte_for_byte(tmp_path: Path) -> None:
    """What arrived is what is in the file, and nothing else lies beside it."""
    content = b"Subject: odd \xff line\n\r\nbody\r\n.\r\n"
    path = letters.keep(tmp_path, content)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mailbox is bounded, and what goes is the oldest."""
    monkeypatch.setattr(letters, "KEPT", 3)
    kept = [letters.keep(tmp_path, b"%d" % number) for number in range(6)]
    assert letters.names(tmp_path) == [path.stem for path in reversed(kept[3:])]


def test_a_mail_can_be_read(tmp_path: Path) -> None:
    """Headers are decoded and the text is found."""
    letter = letters.read(tmp_path, letters.keep(tmp_path, mail("a")).stem)
    assert letter is not None
    assert letter.header("Subject") == "Event Stream Ended - é"
    assert letter.header("X-Nothing") == letter.body("html") == ""
    assert "View Event Dashboard" in letter.body("plain")


def test_an_unknown_character_set_is_shown_as_well_as_can_be(tmp_path: Path) -> None:
    """A mail in a character set nobody knows is no error."""
    raw = b"Content-Type: text/plain; charset=klingon-1\n\nHello\xff\n"
    letter = letters.read(tmp_path, letters.keep(tmp_path, raw).stem)
    assert letter is not None
    assert letter.body("plain").startswith("Hello")


@pytest.mark.parametrize("name", ["../secret", "1", "..", "1700000000000000000-0123abcd.eml", ""])
def test_an_id_is_never_a_path(tmp_path: Path, name: str) -> None:
    """Only a name the mailbox itself gives is looked for."""
    (tmp_path.parent / "secret.eml").write_bytes(mail("a"))
    assert letters.read(tmp_path, name) is None
