"""What the example carries of others: as its table says, and with its licence."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import example_app

VENDOR = Path(example_app.__file__).parent / "static" / "vendor"


def test_each_file_is_the_one_its_table_names() -> None:
    """A file that was changed, or is not in the table, would be nobody's."""
    table = (VENDOR / "README.md").read_text()
    row = re.compile(r"^\| `([^`]+)` \|.+\| (\d+\.\d+\.\d+) \|.+\| `([0-9a-f]{64})` \|$", re.M)
    named = {name: digest for name, _, digest in row.findall(table)}
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    del there["README.md"]
    assert there == named
    assert "Apache License, Version 2.0" in (VENDOR / "hls.js-LICENSE").read_text()


def test_the_file_is_of_the_version_that_its_table_names() -> None:
    """hls.js says its own version."""
    table = (VENDOR / "README.md").read_text()
    version = re.search(r"^\| `hls\.light.+\| (\d+\.\d+\.\d+) \|", table, re.MULTILINE)
    assert version is not None
    assert f'"{version[1]}"' in (VENDOR / "hls.light.min.mjs").read_text(encoding="utf-8")
