"""What a process has loaded, kept out of the garbage collector's way.

Each full collection looks at every object there is, and viewers who come and go, or notices, bring
about one for every few hundred of them. What was loaded before the first of them, the application
and all it imports, stays: looking at it again and again costs a viewer more than everything else
this package does for them.
"""

from __future__ import annotations

import gc
import os

#: The process in which it was done.
_settled_in = 0


def settle() -> None:
    """Have the collector leave alone what is there now, after a last look. Once in a process.

    Not where the application has seen to its collector itself; :func:`gc.unfreeze` undoes it.
    """
    global _settled_in
    if _settled_in != os.getpid():
        _settled_in = os.getpid()
        if gc.isenabled() and not gc.get_freeze_count():
            gc.collect()
            gc.freeze()
