"""Redis as it is run where others could reach it: by TLS, with users; and as a cluster's node."""

from __future__ import annotations

import secrets
from pathlib import Path

from redis import Redis

from .certificates import certificate
from .conftest import missing
from .servers import Process, eventually, free_port, redis_program

#: What a user of an application and its workers may do, as docs/redis.md says it.
USER = "streamend"


def program() -> str:
    """Return a Redis to run; skip, or in CI fail, where there is none."""
    found = redis_program()
    if found is None:
        missing("redis-server", "apt-get install redis-server")
    assert found is not None
    return found


class SecureRedis:
    """A Redis that is reached by TLS and a password only.

    :param rules: what :data:`USER` may do, as ``ACL SETUSER`` takes it.
    :ivar admin: an address of the user who may do everything.
    :ivar url: the address of :data:`USER`.
    """

    def __init__(self, folder: Path, rules: list[str]) -> None:
        pem, _ = certificate(folder, "127.0.0.1", "redis")
        self.port = free_port()
        self.ca = pem
        passwords = {"default": secrets.token_hex(8), USER: secrets.token_hex(8)}
        where = f"127.0.0.1:{self.port}/0?ssl_ca_certs={pem}"
        self.admin, self.url = (f"rediss://{name}:{passwords[name]}@{where}" for name in passwords)
        users = folder / "users.acl"
        users.write_text(
            f"user default on >{passwords['default']} ~* &* +@all\n"
            f"user {USER} on >{passwords[USER]} {' '.join(rules)}\n"
        )
        options = {
            "port": "0",
            "tls-port": str(self.port),
            "bind": "127.0.0.1",
            "tls-cert-file": str(pem),
            "tls-key-file": str(pem.with_suffix(".key")),
            "tls-ca-cert-file": str(pem),
            "tls-auth-clients": "no",
            "aclfile": str(users),
            "save": "",
            "dir": str(folder),
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.process = Process([program(), *words], folder / "secure-redis.log")
        eventually(self._answers, "Redis answers, or says why not")

    def _answers(self) -> bool:
        if self.process.popen.poll() is not None:
            missing("a Redis with TLS", f"it says: {self.process.output()[-300:]}")
        return "Ready to accept connections" in self.process.output()

    def client(self) -> Redis:
        """Return a client that may do everything."""
        return Redis.from_url(self.admin)


class ClusterNode:
    """A cluster of one node, which has every slot."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        options += ["--cluster-enabled", "yes", "--cluster-port", str(free_port())]
        self.process = Process([program(), *options], folder / "cluster.log")
        self.process.wait_for("Ready to accept connections")
        with Redis.from_url(self.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
            eventually(
                lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"),
                "the cluster is up",
            )
