"""The documentation: what it shows is what happens, what it names is there."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import fields
from inspect import getsource
from pathlib import Path
from typing import Any

import flask_mail
import pytest
from flask import Flask

import flask_streamend
from docs import make_tables
from flask_streamend import StreamEnd, cli, signals, sweep
from flask_streamend.settings import Settings, known_keys

from .apps.pages import (
    PAGES,
    ROOT,
    Block,
    anchor,
    blocks,
    headings,
    links,
    marked,
    prose_of,
    text_of,
)
from .apps.scene import Scene, lines, ports
from .conftest import missing
from .servers import Mailbox

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PACKAGE = Path(flask_streamend.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: The README must have said by its 45th line what it is, and shown it.
FIRST_SCREEN = 45
#: Bytes of a picture at the most.
PICTURE = 300_000
WATCHED = {"friday-jam": 3, "night-bus": 1}


def named(block: Block) -> str:
    """Return a block's name among the tests."""
    return str(block)


# What it says on its first screen.


def test_the_readme_s_first_screen_says_and_shows_it() -> None:
    """Above its 45th line: a sentence, a picture, a whole application of 12 lines, two lines."""
    top = text_of(README).splitlines()[: FIRST_SCREEN - 1]
    assert top[2].endswith(".")
    assert any(line.startswith("![") for line in top)
    app = marked_app()
    assert app.last_line < FIRST_SCREEN
    assert len([line for line in app.body.splitlines() if line]) == 12
    (shell,) = (b for b in blocks("sh") if b.page == README and b.line < FIRST_SCREEN)
    begin = "python3 -m venv .venv && .venv/bin/pip install -q tox && .venv/bin/tox"
    assert shell.body.splitlines() == [f"{begin} -q -e example", begin]
    assert shell.last_line < FIRST_SCREEN


def marked_app() -> Block:
    """Return the README's application: its first Python block."""
    return next(block for block in blocks("python") if block.page == README)


# Examples.


@pytest.mark.parametrize("block", blocks("python"), ids=named)
def test_an_example_compiles(block: Block) -> None:
    """Every Python block is Python."""
    compile(block.body, str(block), "exec")


FRAGMENTS = [b for b in blocks("python") if b.mark != "file" and "Flask(__name__)" not in b.body]


@pytest.mark.parametrize("block", FRAGMENTS, ids=named)
def test_a_fragment_runs(block: Block) -> None:
    """A block that is no whole application runs beside one."""
    app = Flask("fragment")
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    names: dict[str, Any] = {"app": app, "streamend": StreamEnd(), "chat": lambda _: ["hello"]}
    names |= {"new_key": "a key", "old_key": "another"}
    exec(compile(block.body, str(block), "exec"), names)


STREAMS = [b for b in blocks("python") if "text/event-stream" in b.body]


@pytest.mark.parametrize("block", STREAMS, ids=named)
def test_the_example_of_a_streamed_response_counts_its_viewer(block: Block) -> None:
    """An event stream of the documentation counts somebody for as long as it lasts."""
    app, streamend = Flask("stream"), StreamEnd()
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    seen: list[int] = []

    def chat(event_id: str) -> Iterator[str]:
        seen.append(streamend.event_clients(event_id))
        yield "hello"

    streamend.init_app(app)
    exec(
        compile(block.body, str(block), "exec"), {"app": app, "streamend": streamend, "chat": chat}
    )
    (rule,) = (rule.rule for rule in app.url_map.iter_rules() if rule.endpoint == "stream")
    path = rule.replace("<event_id>", "jam")
    assert app.test_client().get(path).text == "data: hello\n\n"
    assert seen == [1]
    assert streamend.event_clients("jam") == 0


# What commands print.


def test_every_command_with_its_output_is_run() -> None:
    """A console block names the scene it is run in; no page shows output nobody compares."""
    scenes = {"example", "first", "real", "plain", "alone", "memory", "doctor", "visited"}
    for block in blocks("console"):
        assert block.mark == "run", block
        assert block.value in scenes, block
        assert block.body.startswith("$ "), block
    for block in blocks("text"):
        assert block.mark == "shows", block


Stage = Callable[[str], Scene]


@pytest.fixture
def stage(tmp_path: Path, redis_url: str, mailbox: Mailbox) -> Iterator[Stage]:
    """Return a function that sets a scene; scenes are taken down at the end."""
    scenes: list[Scene] = []

    def scene(name: str) -> Scene:
        env = {"REDIS_URL": redis_url, "SECRET_KEY": "documentation", "TOKEN": "open-sesame"}
        env["MAIL_PORT"] = str(mailbox.port)
        made = Scene(tmp_path / name, env, ports(8000, 8025, 8081))
        scenes.append(made)
        made.write("app.py", marked(DOCS / "quickstart.md", "file", "app.py").body)
        return made

    yield scene
    for made in scenes:
        made.stop()


def scenes_of(*names: str) -> list[Block]:
    """Return the console blocks run in these scenes."""
    return [block for block in blocks("console") if block.value in names]


def programs_of(found: list[Block]) -> None:
    """Skip, or in CI fail, where a program that these blocks use is missing."""
    for program in ("curl", "redis-cli"):
        if any(program in block.body for block in found) and not shutil.which(program):
            missing(program, f"apt-get install {program}")


def fill(scene: Scene) -> None:
    """Have each event watched by as many as the documentation shows."""
    for event_id, count in WATCHED.items():
        status = f"flask --app app streamend status {event_id} --json"
        now = int(re.findall(r'"clients": (\d+)', scene.run(status))[0])
        for _ in range(count - now):
            scene.watch(8000, event_id)


def test_commands_beside_web_and_worker_print_what_is_shown(stage: Stage) -> None:
    """gunicorn and ``flask streamend worker``, as the pages start them, and all else they show."""
    found = scenes_of("real")
    programs_of(found)
    scene = stage("real")
    scene.start("gunicorn -k gevent -w 4 app:app")
    scene.listens(8000)
    scene.start("flask --app app streamend worker").wait_for("Listening on default")
    for block in found:
        fill(scene)
        for command, shown in block.commands():
            scene.prints(command, shown)
    assert "Traceback" not in scene.output()


def test_commands_without_a_worker_print_what_is_shown(stage: Stage) -> None:
    """What ``/health`` says where no worker was started."""
    found = scenes_of("alone")
    programs_of(found)
    scene = stage("alone")
    scene.start("gunicorn -k gevent -w 4 app:app")
    scene.listens(8000)
    for block in found:
        for command, shown in block.commands():
            scene.prints(command, shown)


def test_a_plain_rq_worker_tells_the_host(stage: Stage, mailbox: Mailbox) -> None:
    """RQ's own worker, started as the README shows it, sends the mail."""
    (block,) = scenes_of("plain")
    scene = stage("plain")
    body = marked(DOCS / "quickstart.md", "file", "app.py").body
    key = "STREAMEND_API_TOKEN="
    scene.write("app.py", body.replace(key, f"STREAMEND_DELAY=1,\n    {key}"))
    scene.start("gunicorn -k gevent -w 4 app:app")
    scene.listens(8000)
    ((command, shown),) = block.commands()
    scene.prints(command, shown)
    scene.watch(8000, "friday-jam").close()
    (mail,) = mailbox.wait(1)
    assert mail.message["Subject"] == "Event Stream Ended - Friday jam"


def test_commands_under_memory_say_what_is_shown(stage: Stage) -> None:
    """A command can't look into another process's memory, and says so."""
    scene = stage("memory")
    scene.write("app.py", marked_app().body)
    for block in scenes_of("memory"):
        for command, shown in block.commands():
            scene.prints(command, shown)


def test_the_doctor_says_of_the_first_application_what_is_shown(stage: Stage) -> None:
    """The README's application with a mail server: one problem, an address that is not set."""
    (block,) = scenes_of("doctor")
    scene = stage("doctor")
    scene.env["FRONTEND_URL"] = ""
    scene.write("app.py", marked_app().body.replace("8025", str(scene.ports[8025])))
    scene.start("python -m aiosmtpd -n -l 127.0.0.1:8025")
    scene.listens(8025)
    for command, shown in block.commands():
        scene.prints(command, shown)


def test_doctor_and_canary_say_of_a_site_what_is_shown(stage: Stage) -> None:
    """One web process, one worker: each is named, and a canary is told."""
    scene = stage("visited")
    scene.start("gunicorn -k gevent app:app")
    scene.listens(8000)
    scene.start("flask --app app streamend worker").wait_for("Listening on default")
    scene.run("curl -s localhost:8000/health")
    for block in scenes_of("visited"):
        for command, shown in block.commands():
            scene.prints(command, shown)
    assert "Traceback" not in scene.output()


def test_the_first_application_mails_what_is_shown(stage: Stage) -> None:
    """The README's application, with its two commands: a viewer leaves, the mail is printed."""
    (block,) = scenes_of("first")
    scene = stage("first")
    body = marked_app().body
    assert "MAIL_PORT=8025" in body
    scene.write("app.py", body.replace("8025", str(scene.ports[8025])))
    (mail, nothing), (site, first) = block.commands()
    assert not nothing
    printed = scene.start(mail)
    scene.listens(8025)
    scene.prints(site, first)
    said = scene.start(site)
    scene.listens(8081)
    assert 'data-event="demo"' in scene.run("curl -s localhost:8081/")
    scene.watch(8081, "demo").close()
    printed.wait_for("END MESSAGE")
    for line in marked(README, "shows", "application").body.splitlines():
        said.wait_for(line)
    in_order(lines(marked(README, "shows", "mail").body), lines(printed.output()))


def in_order(expected: list[str], printed: list[str]) -> None:
    """Check that lines follow each other as shown; ``…`` and a header's place are free."""
    at = 0
    for line in expected:
        if line != "…":
            assert line in printed[at:], (line, printed)
            at = printed.index(line, at)


def test_the_example_prints_what_is_shown(stage: Stage) -> None:
    """The example's visit, as the README shows it."""
    (block,) = scenes_of("example")
    scene = stage("example")
    ((command, shown),) = block.commands()
    assert f"commands = {command} {{posargs}}" in (ROOT / "tox.ini").read_text()
    process = scene.start(command)
    process.wait_for("Ctrl-C stops everything")
    assert lines(process.output()) == lines(shown)


# What it names is there.


def test_the_tables_are_those_of_the_code() -> None:
    """``python docs/make_tables.py`` would change no page."""
    for page in DOCS.glob("*.md"):
        assert make_tables.fresh(text_of(page)) == text_of(page), "python docs/make_tables.py"


def test_every_setting_has_an_effect() -> None:
    """Some module uses each."""
    code = "\n".join(source.read_text() for source in SOURCES if source.name != "settings.py")
    names = {f.name for f in fields(Settings)} - {"websocket_port"}
    used = {name for name in names if re.search(rf"settings\.{name}\b", code)}
    # Some are read through a property, or handed on under the same name.
    assert names - used <= {"max_clients", "max_clients_per_event"}


def test_every_setting_named_is_one() -> None:
    """A key in the documentation is a key of the code, or of Flask-Mail."""
    mail = getsource(flask_mail)
    for page in PAGES:
        for key in re.findall(r"(?<![A-Z_])((?:STREAMEND|MAIL)_[A-Z_]+[A-Z])", text_of(page)):
            assert key in known_keys() or f'"{key}"' in mail, (page.name, key)


def problem_codes() -> set[str]:
    """Return every problem code in the package: of cures, refusals, answers and log lines."""
    found: set[str] = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            found.update(_codes_of(node))
    return found


def _codes_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CURES":
        yield from ast.literal_eval(node.value)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Refusal", "problem"):
        yield from (str(a.value) for a in node.args[1:2] if isinstance(a, ast.Constant))
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if getattr(key, "value", "") == "error" and isinstance(value, ast.Constant):
                yield str(value.value)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from re.findall(r"^([a-z]+(?:-[a-z]+)+): \w", node.value)


def test_every_problem_code_has_its_heading() -> None:
    """Each code of the package is a heading of troubleshooting.md, and each such heading a code."""
    page = DOCS / "troubleshooting.md"
    found = {heading for heading in headings(page) if re.fullmatch(r"[a-z]+(-[a-z]+)*", heading)}
    assert found == problem_codes()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Relative links and pictures lead to files that are there, fragments to headings."""
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), link
        assert target.is_relative_to(ROOT), link
        if fragment:
            assert fragment in map(anchor, headings(target)), link


def test_pictures_are_small_and_sound() -> None:
    """A PNG is under 300 KB; an SVG is XML with a title, for light and dark, without scripts."""
    for picture in (DOCS / "images").iterdir():
        if picture.suffix == ".png":
            assert picture.read_bytes().startswith(b"\x89PNG")
            assert picture.stat().st_size < PICTURE
        else:
            text = picture.read_text()
            assert (
                ElementTree.fromstring(text).find("{http://www.w3.org/2000/svg}title") is not None
            )
            assert "prefers-color-scheme: dark" in text
            assert "<script" not in text


def test_the_api_names_what_is_public() -> None:
    """Every public name, signal, route and command is on a page, and in the API most of all."""
    api = text_of(DOCS / "api.md")
    everything = "\n".join(map(text_of, PAGES))
    for name in set(flask_streamend.__all__) - {"__version__", "Notice", "MailChannel"}:
        assert name in everything, name
    for name in dir(signals):
        if name.startswith(("viewer_", "event_", "notification_")):
            assert f"`{name}`" in api, name
    for name in cli.streamend.commands:
        assert f"streamend {name}" in api, name
    for name in dir(StreamEnd):
        if not name.startswith("_"):
            assert name in api, name


def test_the_api_names_every_route_and_no_other() -> None:
    """The routes in api.md are those the extension adds."""
    app = Flask("routes", static_folder=None)
    before = {rule.rule for rule in app.url_map.iter_rules()}
    app.config.update(STREAMEND_REDIS_URL="memory://", MAIL_DEFAULT_SENDER="live@example.org")
    app.config.update(STREAMEND_STATUS_PAGE=True, STREAMEND_API_TOKEN="t")
    StreamEnd(app)
    rules = {rule.rule.replace("path:", "") for rule in app.url_map.iter_rules()} - before
    section = text_of(DOCS / "api.md").split("## Routes")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {route for row in rows for route in re.findall(r"`([^`]+)`", row)} == rules


def test_the_numbers_of_leaving_are_those_of_the_settings() -> None:
    """The README's table of how a viewer leaves follows from ping, lease, beat and delay."""
    table = prose_of(README).split("## How a viewer leaves")[1].split("\n## ")[0]
    ping, lease, delay = Settings().ping_interval, Settings().lease, Settings().delay
    beat = min(sweep.BEAT, lease / 3)
    for low, high in ((ping, 2 * ping), (lease - beat, lease + beat)):
        assert f"{low:g} to {high:g} s after" in table
        assert f"{low + delay:g} to {high + delay:g} s after" in table
    assert f"| {delay:g} s after that |" in table


def test_the_versions_are_those_of_the_metadata() -> None:
    """versions.md names each requirement with its lowest version."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    rows = re.findall(r"^\| ([\w-]+) \| ([\w., ]+) \|", text_of(DOCS / "versions.md"), re.MULTILINE)
    shown = {name.lower(): version for name, version in rows}
    assert shown["python"] == config["options"]["python_requires"].removeprefix(">=")
    required = config["options"]["install_requires"].split()
    required += [
        r for r in config["options.extras_require"]["example"].split() if r.startswith("g")
    ]
    for requirement in required:
        name, version = requirement.replace(",<", ", below ").split(">=")
        assert shown[name] == version, requirement


def test_the_changelog_has_its_form() -> None:
    """Keep a Changelog: an ``Unreleased`` part, kinds of change, one line of a list for each."""
    assert headings(ROOT / "CHANGELOG.md")[:2] == ["Changelog", "Unreleased"]
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    sections = re.findall(r"^### (.+)$", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert sections
    assert set(sections) <= kinds
