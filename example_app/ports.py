"""Find free ports, and see who listens."""

from __future__ import annotations

import socket

from example_app.waiting import Failed

HERE = "127.0.0.1"


def check_free(port: int) -> None:
    """Make sure that the site can listen on the port.

    :raises Failed: where another program does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError as error:
            raise Failed(
                f"Port {port} can't be used ({error.strerror}). Stop what listens there, or give"
                f" another one: --port {port + 1} (or WEBSOCKET_PORT={port + 1})."
            ) from error


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Tell whether somebody listens on the port."""
    try:
        socket.create_connection((HERE, port), timeout=1).close()
    except OSError:
        return False
    return True


def answers_ping(port: int) -> bool:
    """Tell whether a Redis answers on the port."""
    try:
        with socket.create_connection((HERE, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
