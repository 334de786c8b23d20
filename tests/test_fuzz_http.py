"""Every route of the extension, asked anything: no 500, and nothing open that should be shut."""

from __future__ import annotations

import base64

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from .apps.local import make_app

TOKEN = "open-sesame"
APP = make_app(
    "memory://",
    STREAMEND_API_TOKEN=TOKEN,
    STREAMEND_STATUS_PAGE=True,
    STREAMEND_HANDSHAKE_RATE="1000000/second",
    STREAMEND_MAX_CLIENTS_PER_ADDRESS=10,
)
#: The extension's own: an application's `static` is not.
RULES = [rule for rule in APP.url_map.iter_rules() if rule.endpoint != "static"]
GUARDED = [
    rule.rule
    for rule in RULES
    if rule.rule.startswith("/streamend/")
    and not rule.rule.endswith("streamend.js")
    and not rule.rule.startswith("/streamend/hooks/")  # by a token of their own: test_hooks.py
]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")

#: What may stand in a header, as a server hands it on: latin-1, in one line.
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)
piece = st.text(max_size=30) | st.sampled_from(["jam", "..", "_other", "a" * 200, "%00", "a%2Fb"])
accept = st.sampled_from(
    [
        "application/openmetrics-text; version=abc",
        "application/openmetrics-text; version=1.0.0; q=x",
        "application/openmetrics-text; version=",
        "text/plain; version=0.0.4; escaping=no-such",
        "text/html;q=nan",
        ",;=,",
    ]
)
authorization = st.sampled_from(
    [
        "Bearer",
        f"Bearer {TOKEN}",
        "Basic",
        "Basic x",
        "Basic " + base64.b64encode(b"\xff:").decode(),
    ]
)
headers = st.lists(
    st.tuples(st.just("Accept"), accept | header_text)
    | st.tuples(st.just("Authorization"), authorization | header_text)
    | st.tuples(
        st.sampled_from(
            [
                *("Origin", "Host", "Cookie", "If-None-Match", "If-Modified-Since", "Range"),
                *("Accept-Encoding", "X-Forwarded-For", "Content-Type", "traceparent"),
            ]
        ),
        header_text,
    ),
    max_size=6,
)
query = st.dictionaries(
    st.sampled_from(["token", "count", "name[]", "limit", "x"]) | st.text(max_size=5),
    piece | header_text,
    max_size=4,
)


def path_of(rule: Rule, value: str) -> str:
    """Return a path of a rule, with a value in the place of each argument."""
    path, value = rule.rule, value.replace("?", "%3F")
    for argument in rule.arguments:
        path = path.replace(f"<path:{argument}>", value).replace(f"<{argument}>", value)
    return path


@settings(max_examples=400, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    method=st.sampled_from(METHODS),
    value=piece,
    query=query,
    headers=headers,
    body=st.binary(max_size=100),
)
@example(
    rule=next(rule for rule in RULES if rule.rule == "/metrics"),
    method="GET",
    value="",
    query={},
    headers=[("Accept", "application/openmetrics-text; version=abc")],
    body=b"",
)
def test_any_request_is_answered(
    rule: Rule,
    method: str,
    value: str,
    query: dict[str, str],
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    """Whatever is asked of whichever route, the answer is not 500, and shut stays shut."""
    # A testing application would raise; this one answers as the real one does.
    answer = APP.test_client().open(
        path_of(rule, value), method=method, query_string=query, headers=headers, data=body
    )
    assert answer.status_code != 500
    if answer.status_code < 300 and method in ("GET", "HEAD") and rule.rule in GUARDED:
        assert ("Authorization", f"Bearer {TOKEN}") in headers


def test_what_is_fuzzed_is_every_route() -> None:
    """The routes above are all that the extension adds, and which want the token is known."""
    assert len(RULES) >= 12
    assert sorted(GUARDED) == [
        "/streamend/deliveries",
        "/streamend/events",
        "/streamend/events/<path:event_id>",
        "/streamend/status",
        "/streamend/status.css",
        "/streamend/status.js",
        "/streamend/status.json",
        "/streamend/status.svg",
    ]


def ask(app: Flask, rule: str, **headers: str) -> int:
    """Return the status of a guarded page's answer."""
    return (
        app.test_client().get(rule.replace("<path:event_id>", "jam"), headers=headers).status_code
    )


@pytest.mark.parametrize("rule", GUARDED)
def test_a_guarded_page_is_shut_until_a_token_is_set(rule: str) -> None:
    """404 to everybody while there is none, whatever they send; 401 to all but who has it."""
    shut = make_app("memory://", STREAMEND_STATUS_PAGE=True)
    for given_ in ("", "Bearer", "Bearer ", "Bearer None", f"Bearer {TOKEN}", "Basic Og=="):
        assert ask(shut, rule, Authorization=given_) == 404
        if TOKEN not in given_:
            assert ask(APP, rule, Authorization=given_) == 401
    for wrong in (TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), f"{TOKEN}\xe9", f" {TOKEN}x"):
        assert ask(APP, rule, Authorization=f"Bearer {wrong}") == 401
    assert ask(APP, rule, Authorization=f"Bearer {TOKEN}") == 200
    basic = base64.b64encode(f":{TOKEN}".encode()).decode()
    assert ask(APP, rule, Authorization=f"Basic {basic}") == 200


@pytest.mark.parametrize("which", ["api", "hook"])
def test_a_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """What was given goes to hmac.compare_digest whole, and to nothing that stops early."""
    import hmac

    seen: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watch(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    if which == "api":
        assert ask(APP, "/streamend/events", Authorization="Bearer guess") == 401
    else:
        hooked = make_app("memory://", STREAMEND_HOOK_TOKEN=TOKEN).test_client()
        assert hooked.post("/streamend/hooks/srs?token=guess").status_code == 401
    assert seen == [(b"guess", TOKEN.encode())]
