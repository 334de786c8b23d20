"""A terminal with a program in it, as a person has one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from contextlib import suppress

from .servers import PATIENCE, eventually

_HOME = "\x1b[H"
_CODES = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal of some size, whose keys and pictures a test has.

    :param args: the program, after ``python -m``.
    """

    def __init__(
        self, args: Sequence[str], env: dict[str, str], lines: int = 24, columns: int = 120
    ) -> None:
        self._master, slave = pty.openpty()
        self.resize(lines, columns)
        self._printed = b""
        self.popen = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLING, *args],
            env={**os.environ, "TERM": "xterm-256color", **env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed when the program has ended
            while some := os.read(self._master, 65_536):
                self._printed += some

    def resize(self, lines: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def output(self) -> str:
        """Return all that was printed."""
        return self._printed.decode()

    def picture(self) -> list[str]:
        """Return the lines of the last picture that is whole, without colours."""
        pictures = self.output().split(_HOME)[1:]
        return _CODES.sub("", pictures[-2]).splitlines() if len(pictures) > 1 else []

    def shows(self, pattern: str) -> str:
        """Wait until a line of a picture matches, and return that line."""

        def found() -> str | None:
            return next((line for line in self.picture() if re.search(pattern, line)), None)

        line = eventually(found, f"{pattern!r} on the terminal")
        assert line is not None
        return line

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Wait until the program has ended and return its exit status."""
        status = self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def close(self) -> None:
        """End the program, if it has not, and take the terminal away."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(PATIENCE)
        self._reader.join(PATIENCE)
        os.close(self._master)


#: Ctrl-C goes to the program whose controlling terminal it is.
_CONTROLLING = """\
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
"""
