"""Why an attempt failed, in one word: of what libraries that speak HTTP raise."""

from __future__ import annotations

import socket

import pytest
import urllib3

from flask_streamend import PermanentError
from flask_streamend.notices.failures import Deferred, reason_of

from .receivers import hostile, wait
from .servers import PATIENCE, free_port


@pytest.mark.parametrize("retries", [False, 1], ids=["at once", "after its own retries"])
def test_what_urllib3_raises_has_its_reason(retries: bool | int) -> None:
    """Nobody there, hung up, no answer in time: an own channel's errors count as what they are."""

    def raised(url: str, timeout: float = PATIENCE) -> Exception:
        with urllib3.PoolManager(timeout=timeout, retries=retries) as http:
            with pytest.raises(urllib3.exceptions.HTTPError) as caught:
                http.request("GET", url)
            return caught.value

    assert reason_of(raised(f"http://127.0.0.1:{free_port()}/")) == "connect"
    with hostile(lambda sock, stopped: None) as server:
        assert reason_of(raised(server.url)) == "connect"
    with hostile(wait) as server:
        assert reason_of(raised(server.url, timeout=0.3)) == "timeout"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (urllib3.exceptions.LocationParseError("x"), "other"),
        (ValueError("x"), "other"),
        (Deferred("x"), "refused"),
        (Deferred("x", "auth"), "auth"),
        (PermanentError("x"), "refused"),
        (PermanentError("x", "other"), "other"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connect"),
        (socket.gaierror(), "connect"),
    ],
)
def test_every_failure_has_a_reason(error: Exception, reason: str) -> None:
    """The word is one of the metric's, whatever was raised."""
    assert reason_of(error) == reason
