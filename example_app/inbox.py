"""Show the mails that were sent, as the mail server received them."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, render_template
from flask.typing import ResponseReturnValue

from example_app import letters

blueprint = Blueprint("inbox", __name__)

SHOWN = 50
# The HTML of a mail is somebody else's: no scripts, nothing from elsewhere, an origin of its own.
# Its links may leave the frame when a person clicks them.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
POLICY = f"sandbox {SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
HEAD = re.compile(r"<head(?:\s[^>]*)?>", re.IGNORECASE)


@blueprint.get("/mailbox")
def mailbox() -> str:
    """List the newest mails."""
    ids = letters.names(folder())
    found = [letter for name in ids[:SHOWN] if (letter := letters.read(folder(), name))]
    return render_template("mailbox.html", letters=found, newest=ids[0] if ids else "")


@blueprint.get("/api/mailbox")
def api_mailbox() -> ResponseReturnValue:
    """Tell the page which mail is the newest."""
    ids = letters.names(folder())
    return {"newest": ids[0] if ids else "", "count": len(ids)}


@blueprint.get("/mailbox/<name>")
def letter(name: str) -> str:
    """Show one mail: its headers, its HTML in a frame, its plain text."""
    return render_template("letter.html", letter=letter_or_404(name), sandbox=SANDBOX)


@blueprint.get("/mailbox/<name>/html")
def letter_html(name: str) -> Response:
    """Answer with the mail's HTML for the frame; its links open in the whole window."""
    html = letter_or_404(name).body("html")
    base = '<base target="_top">'
    framed, places = HEAD.subn(lambda head: head[0] + base, html, count=1)
    response = Response(framed if places else base + html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


@blueprint.get("/mailbox/<name>/raw")
def letter_raw(name: str) -> Response:
    """Answer with the mail byte for byte."""
    letter_or_404(name)
    content = (folder() / f"{name}.eml").read_bytes()
    return Response(content, content_type="text/plain; charset=utf-8")


def letter_or_404(name: str) -> letters.Letter:
    """Find a mail by its id, or answer 404."""
    found = letters.read(folder(), name)
    if found is None:
        abort(404)
    return found


def folder() -> Path:
    """Return where the mailbox keeps its mails."""
    return Path(current_app.config["MAILBOX_DIR"])


@blueprint.app_template_filter("clock")
def clock(seconds: float) -> str:
    """Write a time of today or another day as the machine's clock shows it."""
    when = datetime.fromtimestamp(seconds)
    today = datetime.now().date()
    return when.strftime("%H:%M:%S" if when.date() == today else "%d %b %H:%M")
