"""The streaming servers there are: each module here has one, as ``SERVER``."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..call import Server


@cache
def servers() -> dict[str, Server]:
    """Return the servers by name."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    return {module.SERVER.name: module.SERVER for module in modules}
