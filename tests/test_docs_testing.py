"""The examples of docs/testing.md, which are an application and its tests: pytest runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .apps.pages import ROOT, blocks
from .servers import PATIENCE

PAGE = ROOT / "docs" / "testing.md"
FILES = {block.value: block.body for block in blocks("python") if block.page == PAGE}


def run(folder: Path, **files: str) -> str:
    """Run tests as their developer does, in a project of their own; return what pytest says."""
    for name, body in {**FILES, **files}.items():
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
    said = run(tmp_path)
    assert re.search(rf"^{shown} passed in ", said, re.MULTILINE), said
