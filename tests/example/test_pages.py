"""The example's pages, as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from example_app import config, create_app, letters, load_viewer

PAGES = ["/", "/watch/friday-jam", "/events/friday-jam", "/mailbox", "/signin"]


@pytest.fixture
def hostile(app: Flask) -> str:
    """Put a mail with hostile HTML into the mailbox and return its id."""
    message = EmailMessage()
    message["Subject"] = "<script>alert(1)</script>"
    message.set_content("See http://localhost:8081/events/friday-jam")
    html = '<!doctype html><HTML><Head><title>x</title></head><a href="http://x.test/">b</a>'
    message.add_alternative(html + "<script>top.location='//evil.test'</script>", subtype="html")
    folder = Path(app.config["MAILBOX_DIR"])
    folder.mkdir()
    return letters.keep(folder, message.as_bytes()).stem


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_nothing_inline_and_nothing_foreign(client: FlaskClient, path: str) -> None:
    """Each page works under its policy: no inline script or style, no address but our own."""
    reply = client.get(path)
    assert reply.status_code == 200
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert not re.search(r"<script(?![^>]*\ssrc=)|\sstyle=|<style|\son[a-z]+=", reply.text)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', reply.text)


def test_the_watch_page_opens_the_socket(client: FlaskClient) -> None:
    """The page loads streamend.js for its event, after the script that listens to it."""
    page = client.get("/watch/friday-jam").text
    assert page.index("watch.js") < page.index('streamend.js" data-event="friday-jam"')


@pytest.mark.parametrize("path", ["/watch/nobody", "/events/nobody", "/mailbox/17", "/nowhere"])
def test_what_is_not_there_is_a_page_with_404(client: FlaskClient, path: str) -> None:
    """A person gets the site's own page."""
    reply = client.get(path)
    assert reply.status_code == 404
    assert "There is no light on here." in reply.text


def test_programs_are_told_in_json(client: FlaskClient) -> None:
    """The pages' scripts get JSON, found or not."""
    assert client.get("/api/events/nobody").get_json()["error"] == "not-found"
    assert client.get("/api/events/friday-jam").get_json() == {
        "id": "friday-jam",
        "state": "idle",
        "clients": 0,
        "peak": 0,
        "due_at": None,
        "due_in": None,
        "on_air": None,
        "hls": None,
        "attempts": 0,
    }


def test_a_host_signs_in_and_out(client: FlaskClient) -> None:
    """The host's page knows its host while they are signed in."""
    assert "On a real site" in client.get("/events/friday-jam").text
    client.post("/signin", data={"user": "hanna"})
    assert "You host this event." in client.get("/events/friday-jam").text
    client.post("/signout")
    assert "On a real site" in client.get("/events/friday-jam").text


def test_the_viewer_loader_knows_who_watches(app: Flask) -> None:
    """A viewer who signed in is their name, a visitor one id for all tabs, a program a new one."""
    with app.test_client() as client:
        client.get("/watch/friday-jam")
        visitor = load_viewer("friday-jam")
        client.get("/watch/night-bus")
        assert load_viewer("night-bus") == visitor
        client.post("/signin", data={"name": "  Ada   Lovelace " + "x" * 99})
        assert load_viewer("friday-jam") == ("Ada Lovelace " + "x" * 99)[:40]
    with app.test_request_context():
        assert load_viewer("friday-jam") != load_viewer("friday-jam")


def test_a_ticket_opens_its_event_s_socket_without_a_cookie(app: Flask) -> None:
    """What has no cookie of the site watches with a ticket, the event it is for and no other."""
    ticket = app.test_client().get("/api/events/friday-jam/ticket").get_json()["socket"]
    path, _, token = ticket.partition("?")
    assert path == "/ws/friday-jam"
    stranger = app.test_client()
    assert stranger.get(ticket).status_code == 426
    assert stranger.get(f"/ws/night-bus?{token}").status_code == 403
    assert app.test_client().get("/api/events/nobody/ticket").status_code == 404


def test_nobody_signs_in_without_a_name(client: FlaskClient) -> None:
    """An empty name leads back to the page."""
    assert client.post("/signin", data={"name": "  "}).headers["Location"] == "/signin"


def test_a_mail_is_shown_without_being_trusted(client: FlaskClient, hostile: str) -> None:
    """A mail's words are escaped, and its HTML runs no script wherever it is opened."""
    for path in ("/mailbox", f"/mailbox/{hostile}"):
        assert "&lt;script&gt;alert(1)" in client.get(path).text
        assert "<script>alert" not in client.get(path).text
    framed = client.get(f"/mailbox/{hostile}/html")
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert '<Head><base target="_top">' in framed.text


def test_a_mail_is_given_as_it_came(client: FlaskClient, app: Flask, hostile: str) -> None:
    """The raw mail is the file, byte for byte, and is no HTML to a browser."""
    raw = client.get(f"/mailbox/{hostile}/raw")
    assert raw.data == (Path(app.config["MAILBOX_DIR"]) / f"{hostile}.eml").read_bytes()
    assert raw.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert raw.headers["X-Content-Type-Options"] == "nosniff"


def test_the_page_s_script_learns_of_a_new_mail(client: FlaskClient, hostile: str) -> None:
    """The newest mail's id is told, so that the open page can be made anew."""
    assert client.get("/api/mailbox").get_json() == {"newest": hostile, "count": 1}


def test_operators_are_shown_the_way_to_the_status_page(client: FlaskClient, app: Flask) -> None:
    """Where there is a token each page links the status page, which the token opens; else none."""
    assert "/streamend/status" not in client.get("/").text
    environ = {"STREAMEND_API_TOKEN": "porchlight"}
    settings = config.from_environment(environ, Path(app.config["MAILBOX_DIR"]))
    kept = {key: app.config[key] for key in ("STREAMEND_REDIS_URL", "DATABASE", "MAILBOX_DIR")}
    browser = create_app(**{**settings, **kept}).test_client()
    assert 'href="/streamend/status"' in browser.get("/").text
    assert browser.get("/streamend/status").status_code == 401
    assert browser.get("/streamend/status", auth=("me", "porchlight")).status_code == 200
