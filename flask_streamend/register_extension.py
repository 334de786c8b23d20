"""Flask's missing method: ``app.register_extension(extension)``.

Importing :mod:`flask_streamend` adds it to :class:`flask.Flask`, only where the class has none.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from flask import Flask


class _Extension(Protocol):
    def init_app(self, app: Flask) -> None: ...


_E = TypeVar("_E", bound=_Extension)


def register_extension(self: Flask, extension: _E) -> _E:
    """Call ``extension.init_app(app)`` and return the extension."""
    extension.init_app(self)
    return extension


if not hasattr(Flask, "register_extension"):
    Flask.register_extension = register_extension  # type: ignore[attr-defined]
