"""Under the development server's reloader, where prometheus-flask-exporter alone serves nothing."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from .servers import Process, accepts, eventually, free_port


def test_the_metrics_page_answers_under_the_reloader(tmp_path: Path) -> None:
    """``flask run --debug`` serves the metrics page too."""
    port = free_port()
    env = {
        "FLASK_APP": "tests.apps.site",
        "SITE_CONFIG": json.dumps({"STREAMEND_REDIS_URL": "memory://"}),
    }
    command = [sys.executable, "-m", "flask", "run", "--debug", "--port", str(port)]
    process = Process(command, tmp_path / "site.log", env)
    try:
        eventually(lambda: accepts(port), "the site answers")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
            assert "streamend_clients 0.0" in page.read().decode().splitlines()
    finally:
        process.stop()
