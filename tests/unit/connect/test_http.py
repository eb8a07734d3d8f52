"""The HTTP client against transports in memory, with a clock that jumps instead of waiting."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import httpx
import pytest

from syncline.connect import http as http_module
from syncline.connect.contract import Limits
from syncline.connect.errors import (
    AnswerLost,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline.connect.http import HttpClient, HttpReply, UrlRefused, check_url
from syncline.connect.waiting import Waiting

URL = "https://remote.example/api/things"


@dataclass
class Clock:
    """A clock that only sleeping moves."""

    at: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def waiting(self) -> Waiting:
        return Waiting(now=self.now, sleep=self.sleep, chance=lambda: 0.0)


class Remote:
    """Answers each request with the next of a script; the last one repeats."""

    def __init__(
        self, *script: httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]
    ) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return httpx.Response(step.status_code, headers=step.headers, content=step.content)
        return step(request)


class OneToken:
    """A sign-in with tokens t1, t2, ... that moves on when one is refused."""

    def __init__(self) -> None:
        self.number = 1
        self.renewed: list[str] = []

    def authorization(self) -> str:
        return f"Bearer token-{self.number}"

    def expired(self, body: str) -> bool:
        return "expired" in body.lower()

    def renew(self, refused: str) -> str:
        self.renewed.append(refused)
        self.number += 1
        return self.authorization()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Callable[..., HttpClient]]:
    made: list[HttpClient] = []

    def build(remote: Callable[[httpx.Request], httpx.Response], **options: object) -> HttpClient:
        made.append(
            HttpClient(
                label="the books",
                waiting=clock.waiting(),
                transport=httpx.MockTransport(remote),
                **options,  # type: ignore[arg-type]
            )
        )
        return made[-1]

    yield build
    for client in made:
        client.close()


Make = Callable[..., HttpClient]


# --- what is sent, and what comes back ---------------------------------------------------------------


def test_decimals_cross_the_wire_exactly_both_ways(make: Make) -> None:
    remote = Remote(httpx.Response(200, content=b'{"price": 0.10, "big": 12345678901234567.123456, "n": 3}'))
    reply = make(remote).request("PUT", URL, json={"price": Decimal("1.10"), "rate": Decimal("1E-7")})
    assert remote.seen[0].content == b'{"price":1.10,"rate":1E-7}'
    assert remote.seen[0].headers["content-type"] == "application/json"
    assert reply.json() == {"price": Decimal("0.10"), "big": Decimal("12345678901234567.123456"), "n": 3}
    assert str(reply.json()["price"]) == "0.10"


def test_params_are_added_to_the_query_in_order_and_encoded(make: Make) -> None:
    remote = Remote(httpx.Response(200))
    make(remote).request("GET", URL + "?page=1", params=[("where", 'Name=="A+B & C"'), ("where", "é")])
    assert str(remote.seen[0].url) == URL + "?page=1&where=Name%3D%3D%22A%2BB%20%26%20C%22&where=%C3%A9"


def test_header_names_are_lower_case_and_repeated_ones_joined(make: Make) -> None:
    remote = Remote(
        httpx.Response(
            200, headers=[("X-One", "a"), ("X-One", "b"), ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]
        )
    )
    reply = make(remote).request("GET", URL)
    assert reply.headers["x-one"] == "a, b"
    assert reply.date is not None
    assert reply.date.isoformat() == "1994-11-06T08:49:37+00:00"


def test_a_form_is_sent_as_a_form(make: Make) -> None:
    remote = Remote(httpx.Response(200))
    make(remote).request("POST", URL, form={"a": "x y", "b": "&"})
    assert remote.seen[0].content == b"a=x+y&b=%26"
    assert remote.seen[0].headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>oops</html>", id="an HTML page"),
        pytest.param(b'{"a": ', id="cut in the middle"),
        pytest.param(b"", id="nothing at all"),
        pytest.param(b"[" * 50_000 + b"]" * 50_000, id="nested fifty thousand deep"),
        pytest.param(b'"\xff"', id="not UTF-8"),
    ],
)
def test_a_body_that_is_not_json_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not JSON"):
        HttpReply(200, {"content-type": "text/html"}, body).json()


def test_a_byte_order_mark_does_not_spoil_json() -> None:
    assert HttpReply(200, {}, b'\xef\xbb\xbf{"a":1}').json() == {"a": 1}


def test_an_answer_beyond_all_size_is_refused(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MAX_REPLY_BYTES", 1000)
    client = make(Remote(httpx.Response(200, content=b"x" * 1001)))
    with pytest.raises(RemoteProtocolError, match="cannot be read"):
        client.request("GET", URL)
    with pytest.raises(AnswerLost):
        client.request("PUT", URL, json={})


def test_an_answer_is_freed_as_soon_as_it_is_read(make: Make) -> None:
    """A pass over a million records gets thousands of them: none may wait for the collector of garbage."""
    freed: list[bool] = []

    def answer(request: httpx.Request) -> httpx.Response:
        response = httpx.Response(200, content=iter([b"[1]"]))
        weakref.finalize(response, freed.append, True)
        return response

    client = make(Remote(answer))
    gc.disable()
    try:
        assert client.request("GET", URL).json() == [1]
        assert freed == [True]
    finally:
        gc.enable()


def test_a_redirect_is_not_followed(make: Make) -> None:
    remote = Remote(httpx.Response(302, headers={"Location": "http://169.254.169.254/latest"}))
    with pytest.raises(RemoteProtocolError, match="redirects") as caught:
        make(remote).request("GET", URL)
    assert len(remote.seen) == 1
    assert caught.value.status == 302


def test_not_modified_is_an_answer_like_any_other(make: Make) -> None:
    assert make(Remote(httpx.Response(304))).request("GET", URL).status == 304


# --- which addresses may be called ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/x",
        "http://127.0.0.1:8080/x",
        "http://127.9.9.9/x",
        "http://localhost:1/x",
        "http://[::1]:9/x",
    ],
)
def test_allowed_addresses(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/x",
        "http://127.0.0.1.evil.example/x",
        "http://localhost.evil.example/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "ftp://api.example/x",
        "file:///etc/passwd",
        "https://",
        "api.example/x",
        "https://user:hunter2secret@api.example/",
        "https://api.example/\nX: y",
        "https://[::1",
        "http://127.0.0.1:99999/",
        "",
    ],
)
def test_refused_addresses_say_why_without_repeating_secrets(url: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        check_url(url)
    assert caught.value.fix
    assert "hunter2secret" not in str(caught.value)


def test_a_refused_address_is_never_called(make: Make) -> None:
    remote = Remote(httpx.Response(200))
    with pytest.raises(UrlRefused):
        make(remote).request("GET", "http://api.example/x")
    assert not remote.seen


# --- faults -------------------------------------------------------------------------------------------


def test_a_refused_connection_is_tried_again_even_for_a_write(make: Make, clock: Clock) -> None:
    remote = Remote(httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.Response(200))
    assert make(remote).request("PUT", URL, json={}).status == 200
    assert len(remote.seen) == 3
    assert clock.slept == [0.5, 1.0]


def test_a_remote_that_stays_away_is_unavailable_in_the_end(make: Make) -> None:
    remote = Remote(httpx.ConnectError("refused"))
    with pytest.raises(RemoteUnavailable, match=r"cannot be reached at remote\.example"):
        make(remote).request("GET", URL)
    assert len(remote.seen) == 4


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ReadError("reset"),
        httpx.ReadTimeout("silence"),
        httpx.RemoteProtocolError("closed"),
        httpx.WriteError("x"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_broken_exchange_is_repeated_only_when_that_is_safe(fault: Exception, make: Make) -> None:
    remote = Remote(fault, httpx.Response(200))
    assert make(remote).request("GET", URL).status == 200
    remote = Remote(fault, httpx.Response(200))
    assert make(remote).request("PUT", URL, repeatable=True).status == 200
    remote = Remote(fault, httpx.Response(200))
    with pytest.raises(AnswerLost):
        make(remote).request("PUT", URL)
    assert len(remote.seen) == 1


def test_a_query_by_post_may_be_repeated(make: Make) -> None:
    remote = Remote(httpx.ReadError("reset"), httpx.Response(200))
    client = make(remote)
    assert client.request("POST", URL, json={"select": 1}, reads=True).status == 200
    assert client.counts() == {"read": 2, "write": 0}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_repeated_only_when_that_is_safe(status: int, make: Make) -> None:
    remote = Remote(httpx.Response(status), httpx.Response(200))
    assert make(remote).request("GET", URL).status == 200
    remote = Remote(httpx.Response(status), httpx.Response(200))
    assert make(remote).request("PUT", URL).status == status
    assert len(remote.seen) == 1


def test_a_lasting_server_error_of_a_read_is_unavailable_with_status_and_correlation(make: Make) -> None:
    remote = Remote(httpx.Response(503, headers={"Acme-Correlation-Id": "c-1"}))
    with pytest.raises(RemoteUnavailable) as caught:
        make(remote).request("GET", URL)
    assert (caught.value.status, caught.value.correlation) == (503, "c-1")


def test_503_waits_as_long_as_it_asks(make: Make, clock: Clock) -> None:
    make(Remote(httpx.Response(503, headers={"Retry-After": "7"}), httpx.Response(200))).request("GET", URL)
    assert clock.slept == [7.0]


# --- limits -------------------------------------------------------------------------------------------


def test_429_is_waited_out_even_for_a_write(make: Make, clock: Clock) -> None:
    remote = Remote(httpx.Response(429, headers={"Retry-After": "31"}), httpx.Response(200))
    assert make(remote).request("PUT", URL, json={}).status == 200
    assert clock.slept == [31.0]


def test_retry_after_may_be_a_date(make: Make, clock: Clock) -> None:
    headers = {"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    make(Remote(httpx.Response(429, headers=headers), httpx.Response(200))).request("GET", URL)
    assert clock.slept == [10.0]


@pytest.mark.parametrize("value", ["soon", "nan", "inf", "-5"])
def test_a_senseless_retry_after_does_not_stop_the_retries(value: str, make: Make, clock: Clock) -> None:
    remote = Remote(httpx.Response(429, headers={"Retry-After": value}), httpx.Response(200))
    assert make(remote).request("GET", URL).status == 200
    assert sum(clock.slept) < 5


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        pytest.param({"Retry-After": "40000"}, 40000.0, id="a wait longer than a pass"),
        pytest.param({"X-Problem": "DayLimit", "Retry-After": "60"}, 60.0, id="the day's limit, named"),
        pytest.param({"X-Problem": "day"}, None, id="the day's limit without a time"),
    ],
)
def test_429_that_will_not_clear_within_the_pass(
    headers: dict[str, str], after: float | None, make: Make, clock: Clock
) -> None:
    remote = Remote(httpx.Response(429, headers=headers))
    with pytest.raises(QuotaExhausted) as caught:
        make(remote, limits=Limits(problem_header="X-Problem")).request("GET", URL)
    assert caught.value.retry_after_s == after
    assert len(remote.seen) == 1
    assert clock.slept == []


def test_429_without_a_time_backs_off_and_ends(make: Make, clock: Clock) -> None:
    remote = Remote(httpx.Response(429))
    with pytest.raises(QuotaExhausted):
        make(remote).request("GET", URL)
    assert clock.slept == [1, 2, 4, 8, 16, 32, 60]


def test_faults_and_limits_are_counted_apart(make: Make) -> None:
    limited, broken = httpx.Response(429, headers={"Retry-After": "1"}), httpx.ReadError("reset")
    remote = Remote(limited, broken, limited, broken, limited, broken, limited, httpx.Response(200))
    assert make(remote).request("GET", URL).status == 200


# --- signing in ---------------------------------------------------------------------------------------


def test_an_expired_token_costs_one_refresh_and_one_repeat_even_for_a_write(make: Make) -> None:
    sign_in = OneToken()
    remote = Remote(httpx.Response(401, content=b"TokenExpired"), httpx.Response(200))
    assert make(remote, sign_in=sign_in).request("PUT", URL, json={}).status == 200
    assert sign_in.renewed == ["Bearer token-1"]
    assert [r.headers["authorization"] for r in remote.seen] == ["Bearer token-1", "Bearer token-2"]


def test_a_second_refusal_asks_for_a_person_and_stops(make: Make) -> None:
    remote = Remote(httpx.Response(401, content=b"expired"))
    sign_in = OneToken()
    with pytest.raises(ReconnectNeeded):
        make(remote, sign_in=sign_in).request("GET", URL)
    assert (len(remote.seen), len(sign_in.renewed)) == (2, 1)


def test_any_other_401_is_not_worth_a_refresh(make: Make) -> None:
    remote = Remote(httpx.Response(401, content=b"scope mismatch"))
    sign_in = OneToken()
    with pytest.raises(ReconnectNeeded):
        make(remote, sign_in=sign_in).request("GET", URL)
    assert (len(remote.seen), len(sign_in.renewed)) == (1, 0)


def test_without_a_sign_in_401_is_an_answer(make: Make) -> None:
    assert make(Remote(httpx.Response(401))).request("GET", URL).status == 401


# --- counting, logging, closing -----------------------------------------------------------------------


def test_every_request_sent_is_counted_repeats_included(make: Make) -> None:
    client = make(Remote(httpx.Response(500), httpx.Response(200)))
    client.request("GET", URL)
    client.request("PUT", URL)
    client.request("DELETE", URL)
    assert client.counts() == {"read": 2, "write": 2}


def test_the_log_tells_the_request_without_secrets_or_values(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    remote = Remote(httpx.Response(200, headers={"Acme-Correlation-Id": "c-77"}, content=b"canary-body"))
    client = make(remote, sign_in=OneToken())
    client.request(
        "POST", URL, params={"email": "canary-query"}, json={"a": "canary-sent"}, headers={"X-K": "canary-h"}
    )
    text = caplog.text
    assert "POST /api/things?email 200" in text
    assert "c-77" in text
    assert "canary" not in text
    assert "token-1" not in text


def test_a_closed_client_says_so(make: Make) -> None:
    client = make(Remote(httpx.Response(200)))
    client.request("GET", URL)
    client.close()
    with pytest.raises(Exception, match="closed"):
        client.request("GET", URL)


def test_proxies_of_the_environment_are_not_asked_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with HttpClient() as client:
            assert client.request("GET", f"http://127.0.0.1:{server.server_port}/x").text == "ok"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
