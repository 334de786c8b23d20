"""The examples of docs/testing.md, which are an application and its tests: pytest runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .apps.pages import ROOT, blocks, prose_of
from .servers import PATIENCE

PAGE = ROOT / "docs" / "testing.md"
FILES = {block.value: block.body for block in blocks("python") if block.page == PAGE}


def run(folder: Path, files: dict[str, str]) -> str:
    """Run tests as their developer does, in a project of their own; return what pytest says."""
    for name, body in files.items():
        (folder / name).write_text(body)
    # From there: this project's own settings are not its.
    options = ["-q", "-W", "error", "-p", "no:cacheprovider", f"--rootdir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    """Every test that is shown is run, with the page's application and the fixture, and passes."""
    shown = sum(len(re.findall(r"^ *def test_", body, re.MULTILINE)) for body in FILES.values())
    assert shown >= 10
    said = run(tmp_path, FILES)
    assert re.search(rf"^{shown} passed in ", said, re.MULTILINE), said


def test_the_fixture_can_be_imported(tmp_path: Path) -> None:
    """Where a conftest.py may name no plugin it imports the fixture, by the line that is shown."""
    line = "from flask_streamend.testing.plugin import stage"
    assert line in " ".join(prose_of(PAGE).split())
    plugin = re.compile(r"^pytest_plugins = .*$", re.MULTILINE)
    conftest, changed = plugin.subn(line, FILES["conftest.py"])
    assert changed == 1
    some = {name: FILES[name] for name in ("live.py", "test_told.py")}
    said = run(tmp_path, {**some, "conftest.py": conftest})
    assert re.search(r"^2 passed in ", said, re.MULTILINE), said
