"""Read the site's settings from the environment, each with a default that works at home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def from_environment(environ: Mapping[str, str], instance: Path) -> dict[str, object]:
    """Return the configuration for ``app.config``.

    REDIS_URL, FRONTEND_URL and WEBSOCKET_PORT are not here: the extension reads those three from
    the environment by itself.

    :param instance: the folder for what the site writes, where no other is named.
    """
    config: dict[str, object] = {
        # Signs the session cookie, and seals what the extension puts into Redis. It must be the
        # same in every process; a real site keeps its own secret.
        "SECRET_KEY": environ.get("SECRET_KEY", "porchlight is a demo and keeps no secrets"),
        "SESSION_COOKIE_SAMESITE": "Lax",
        # How long nobody may be watching before the event has ended, in seconds.
        "STREAMEND_DELAY": float(environ.get("STREAMEND_DELAY", "30")),
        # Flask-Mail's settings. The default is the mailbox: python -m example_app.mailbox
        "MAIL_SERVER": environ.get("MAIL_SERVER", "127.0.0.1"),
        "MAIL_PORT": int(environ.get("MAIL_PORT", "8025")),
        "MAIL_DEFAULT_SENDER": ("Porchlight", "live@example.org"),
        # The site's own.
        "DATABASE": environ.get("DATABASE", str(instance / "porchlight.sqlite3")),
        "MAILBOX_DIR": environ.get("MAILBOX_DIR", str(instance / "mailbox")),
        "HLS_DIR": None,
    }
    if "HLS_DIR" in environ:  # where an nginx-rtmp beside us writes: nginx.conf
        config["HLS_DIR"] = str(Path(environ["HLS_DIR"]).resolve())
    if "STREAMEND_HOOK_TOKEN" in environ:  # lets that nginx tell us who publishes and plays
        config["STREAMEND_HOOK_TOKEN"] = environ["STREAMEND_HOOK_TOKEN"]
    if "RTMP_STAT" in environ:  # and there it says who is there: it can't say that it died
        config["STREAMEND_HOOK_CHECKS"] = {"nginx-rtmp": environ["RTMP_STAT"]}
    if "STREAMEND_API_TOKEN" in environ:  # opens the status page, /streamend/status, for operators
        config["STREAMEND_API_TOKEN"] = environ["STREAMEND_API_TOKEN"]
        config["STREAMEND_STATUS_PAGE"] = True
    if "STREAMEND_REDIS_URL" in environ:  # memory:// runs the site in one process, without Redis
        config["STREAMEND_REDIS_URL"] = environ["STREAMEND_REDIS_URL"]
    return config
