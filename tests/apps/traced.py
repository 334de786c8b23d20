"""The tests' site in an application that traces its requests and logs in JSON."""

from __future__ import annotations

import logging.config

from flask import Flask, g
from opentelemetry import trace

from . import watching

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "flask_streamend.logs.JsonFormatter"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["out"], "level": "INFO"},
    }
)


def create_app() -> Flask:
    """Make the site; each request has a span, as instrumentations of Flask begin it."""
    app = watching.create_app()

    @app.before_request
    def begin() -> None:
        tracer = trace.get_tracer("tests")
        g.request_span = tracer.start_as_current_span("request")
        g.request_span.__enter__()

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        if "request_span" in g:
            g.pop("request_span").__exit__(None, None, None)

    return app
