"""pytest's fixture ``stage``: an application's own fixture ``app``, on stage.

In the conftest.py at the top of the tests::

    pytest_plugins = ["flask_streamend.testing.plugin"]

No entry point loads this: it would be in every test run wherever the package is installed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from .stage import Stage, live


@pytest.fixture
def stage(app: Flask) -> Iterator[Stage]:
    """Return the application that the fixture ``app`` gives, on stage for one test."""
    with live(app) as stage:
        yield stage
