"""What is installed is whole."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import flask_streamend

PACKAGE = Path(flask_streamend.__file__).parent


def test_the_package_carries_more_than_modules() -> None:
    """Scripts, templates, pages, the browser's client and the marker for types are there too."""
    for name in (
        *("py.typed", "store/lua/report.lua", "store/lua/lib_apply.lua", "web/streamend.js"),
        *("templates/streamend/notice.txt", "templates/streamend/notice.html"),
        *(f"web/status_page/status.{kind}" for kind in ("html", "css", "js", "svg")),
    ):
        assert (PACKAGE / name).is_file(), name


def test_the_package_carries_the_dashboards_and_not_what_makes_them() -> None:
    """What ``grafana/`` has to be read is installed; its code is not, save by a checkout's link."""
    carried = PACKAGE / "grafana"
    for path in (Path(__file__).parents[1] / "grafana").rglob("*"):
        if path.suffix in (".json", ".md", ".yml"):
            inside = carried / path.relative_to(Path(__file__).parents[1] / "grafana")
            assert inside.read_bytes() == path.read_bytes(), inside
    assert carried.is_symlink() or not list(carried.rglob("*.py"))


def test_the_command_is_registered() -> None:
    """Flask finds ``flask streamend`` by the package's entry point."""
    (entry,) = metadata.entry_points(group="flask.commands", name="streamend")
    assert entry.load().name == "streamend"


def test_the_wheel_is_what_is_tested() -> None:
    """Under tox the package comes from where the wheel was installed, not from the checkout."""
    assert ("site-packages" in PACKAGE.parts) or "TOX_ENV_NAME" not in os.environ
