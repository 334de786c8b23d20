"""The browser client, served from the wheel."""

from __future__ import annotations

from importlib.resources import files

from flask import Blueprint, Response, request
from werkzeug.wrappers import Response as BaseResponse

#: Seconds a browser may keep it: a new version is seen within the hour.
MAX_AGE = 3600


def register(blueprint: Blueprint) -> None:
    """Add the route ``/streamend/streamend.js``."""
    body = (files(__package__) / "streamend.js").read_bytes()

    def script() -> BaseResponse:
        response = Response(body, mimetype="text/javascript")
        response.add_etag()
        response.cache_control.public = True
        response.cache_control.max_age = MAX_AGE
        return response.make_conditional(request)

    blueprint.add_url_rule("/streamend/streamend.js", "script", script)
