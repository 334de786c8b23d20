"""Run the whole site on this machine and play a visit: ``python -m example_app [--nginx]``."""

from __future__ import annotations

import argparse
import io
import os
import sys
import threading
import webbrowser

from example_app import letters
from example_app.broadcast import EVENT
from example_app.stack import Stack
from example_app.visit import Visit, describe
from example_app.waiting import Failed, Stopped, pause, stop_at_signals

INTERRUPTED = 130  # what a shell expects of a program that Ctrl-C ended before it was done


def main() -> int:
    """Start everything, play the visit, serve until Ctrl-C; return the exit code."""
    options = read_command_line()
    if isinstance(sys.stdout, io.TextIOWrapper):  # seen at once, also through a pipe
        sys.stdout.reconfigure(line_buffering=True, errors="replace")
    stop_at_signals()
    stack = Stack(options.port, options.delay, options.nginx)
    done = False
    try:
        stack.start()
        print(
            f"redis on {stack.redis}   site on {stack.url}   worker: rq worker"
            f"   mailbox: {stack.url}/mailbox"
        )
        if options.nginx:
            print(f"nginx-rtmp on {stack.rtmp}   watch it on {stack.url}/watch/{EVENT}")
        Visit(stack).play()
        done = True
        if not options.once:
            print(f"Now you: open {stack.url} in two tabs and close both. Ctrl-C stops everything.")
            if options.nginx:
                open_page(f"{stack.url}/watch/{EVENT}")
            serve(stack)
    except Failed as failure:
        return explain(stack, failure)
    except Stopped:
        print("Stopping.")
    finally:
        stack.stop()
    stack.forget()
    return 0 if done else INTERRUPTED


def serve(stack: Stack) -> None:
    """Tell of each further mail, until a signal comes or a part of the stack ends."""
    seen = set(letters.names(stack.mailbox))
    while True:
        pause(0.25)
        stack.check()
        for name in reversed(letters.names(stack.mailbox)):
            if name not in seen and (letter := letters.read(stack.mailbox, name)):
                seen.add(name)
                subject = letter.header("Subject")
                print(f'        {describe(letter):<39} "{subject}"   {stack.url}/mailbox/{name}')


def open_page(url: str) -> None:
    """Open a page in the browser, where there is a screen: one in the terminal would take it."""
    screens = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform in ("darwin", "win32") or any(map(os.environ.get, screens)):
        # Some wait until the browser is closed.
        threading.Thread(target=webbrowser.open, args=[url], daemon=True).start()


def explain(stack: Stack, failure: Failed) -> int:
    """Print the reason, and the end of the log that goes with it."""
    print(f"\nThe example failed: {failure}", file=sys.stderr)
    tail = stack.tail(failure.log)
    if tail:
        print(f"The last lines of {stack.folder / failure.log}.log:\n{tail}", file=sys.stderr)
    else:
        stack.forget()
    return 1


def read_command_line() -> argparse.Namespace:
    """Return the options; a wrong one ends the program with code 2."""
    parser = argparse.ArgumentParser(prog="python -m example_app", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop after the mail")
    parser.add_argument("--nginx", action="store_true", help="with nginx-rtmp and a test picture")
    parser.add_argument("--delay", type=seconds, default=3.0, help="the grace period, 1 to 3600 s")
    port = os.environ.get("WEBSOCKET_PORT", "8081")
    parser.add_argument("--port", type=int, default=port, help=f"where the site listens ({port})")
    return parser.parse_args()


def seconds(text: str) -> float:
    """Read the grace period; under a second there would be nothing to see of it."""
    value = float(text)
    if not 1 <= value <= 3600:
        raise ValueError(text)
    return value


if __name__ == "__main__":
    sys.exit(main())
