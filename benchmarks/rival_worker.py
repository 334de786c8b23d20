"""RQ's worker with what the job needs made before it forks: ``… URL QUEUE``.

RQ's own page on workers shows it, for those whose jobs' imports take long.
"""

from __future__ import annotations

import sys

from redis import Redis
from rq import Queue, Worker

from . import rivals


def main() -> None:
    """Work until told to stop."""
    rivals.mailing()
    connection = Redis.from_url(sys.argv[1])
    worker = Worker([Queue(sys.argv[2], connection=connection)], connection=connection)
    worker.work(with_scheduler=True)


if __name__ == "__main__":
    main()
