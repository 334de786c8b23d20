"""Copy what the tests need to another folder, so that the wheel is what is tested.

From the checkout's root Python would import the package that lies there.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

NEEDED = (
    *("tests", "example_app", "docs", "benchmarks", "grafana"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "pyproject.toml", "setup.cfg", "tox.ini"),
)


def copy(root: Path, away: Path) -> None:
    """Copy to a folder, which is emptied first.

    :param root: the checkout.
    """
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir(parents=True)
    for name in NEEDED:
        if (root / name).is_dir():
            shutil.copytree(root / name, away / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, away / name)


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
