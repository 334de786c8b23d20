"""Writes rule files: YAML whose bytes follow from the data alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

HEAD = "# Made by `python -m grafana.build`: change the code there, not this file.\n"


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as it reads, and indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dumped(data: Any) -> str:
    """Return data as YAML, keys in the order they were put in."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return text


def write_groups(file: Path, groups: Sequence[Mapping[str, Any]]) -> None:
    """Write a Prometheus rule file.

    :param groups: each with name, interval and rules.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEAD + dumped({"groups": list(groups)}), encoding="utf-8")
