"""A remote that answers with bombs, floods and nonsense: told, within bounded memory and time."""

from __future__ import annotations

import gzip
import itertools
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.security.conftest import RawServer, reply
from tests.support.tally import Tally

from syncline.connect import AnswerLost, HttpClient, RemoteProtocolError, RemoteUnavailable
from syncline.connect import http as http_module
from syncline.connect.errors import RemoteError
from syncline.connect.http import HttpReply

Serve = Callable[..., RawServer]

_KB, _MB = 1024, 1024 * 1024


def _gzipped(size: int, times: int = 1) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(_MB)) for _ in range(size // _MB)) + packer.flush()
    for _ in range(times - 1):
        packed = gzip.compress(packed)
    return packed


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds in small, so that a bomb need not be large to break them."""
    monkeypatch.setattr(http_module, "MAX_REPLY_BYTES", _MB)


PACKED = {
    "a bomb": (_gzipped(60 * _MB), "gzip", "more than 1 MB"),
    "a bomb under another name": (_gzipped(60 * _MB), "X-GZIP", "more than 1 MB"),
    "a bomb in a bomb": (_gzipped(60 * _MB, 2), "gzip, gzip", "not asked for"),
    "a packing that was not asked for": (b"\x00" * 100, "br", "not asked for"),
    "another one": (b"\x00" * 100, "zstd", "not asked for"),
    "one that nobody knows": (b"\x00" * 100, "\x7f\x41", "not asked for"),
    "what is not packed at all": (b'{"a": 1}', "gzip", "not packed as it says"),
    "a packing that is cut off": (gzip.compress(b"x" * 10_000)[:30], "gzip", "cut off"),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_answer_takes_no_more_memory_than_an_answer_may(
    name: str, serve: Serve, client: HttpClient, small: None, tally: Tally
) -> None:
    tally("hostile inputs")
    body, packing, says = PACKED[name]
    server = serve(lambda _: reply(body, Content_Encoding=packing))
    client.request("GET", serve(lambda _: reply(b"{}")).url)  # what is loaded once is not counted
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError, match=says):
            client.request("GET", server.url)
        assert tracemalloc.get_traced_memory()[1] < 4 * _MB
    finally:
        tracemalloc.stop()


def test_a_packed_answer_is_unpacked_and_asked_for(serve: Serve, client: HttpClient) -> None:
    body = json.dumps({"rows": ["x" * 100] * 5_000}).encode()
    server = serve(lambda _: reply(gzip.compress(body), Content_Encoding="gzip"))
    assert client.request("GET", server.url).content == body
    assert b"accept-encoding: gzip\r\n" in server.seen[0].lower()
    empty = serve(lambda _: reply(b"", status="204 No Content", Content_Encoding="gzip"))
    assert client.request("GET", empty.url).content == b""


def test_an_answer_without_end_is_cut_off(
    serve: Serve, client: HttpClient, small: None, tally: Tally
) -> None:
    tally("hostile inputs")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    server = serve(lambda _: itertools.chain([head], itertools.repeat(b"[" * 4096)))
    with pytest.raises(RemoteProtocolError, match="more than 1 MB"):
        client.request("GET", server.url)
    assert server.cut_off.wait(10)


def _headers_without_end(_: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield b"X-Endless-%d: %s\r\n" % (number, b"x" * 1000)


def _interim_answers_without_end(_: bytes) -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n" * 20


def _drip(first: bytes, wait: Callable[[float], None]) -> Callable[[bytes], Iterator[bytes]]:
    def answer(_: bytes) -> Iterator[bytes]:
        yield first
        while True:
            wait(0.05)
            yield b"x"

    return answer


def test_headers_without_end_are_cut_off(serve: Serve, client: HttpClient, tally: Tally) -> None:
    tally("hostile inputs")
    server = serve(_headers_without_end)
    with pytest.raises(RemoteUnavailable, match="broke off"):
        client.request("GET", server.url)
    assert server.cut_off.wait(10)


SLOW = {
    "interim answers without end": _interim_answers_without_end,
    "a header that drips": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "a body that drips": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "a chunk that drips": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
}


@pytest.mark.parametrize(("method", "error"), [("GET", RemoteProtocolError), ("POST", AnswerLost)])
@pytest.mark.parametrize("name", SLOW)
def test_an_exchange_ends_however_slowly_it_drips(
    name: str,
    method: str,
    error: type[RemoteError],
    serve: Serve,
    client: HttpClient,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tally("hostile inputs")
    import threading

    monkeypatch.setattr(http_module, "MAX_EXCHANGE_S", 0.2)
    stopped = threading.Event()
    kind = SLOW[name]
    server = serve(_drip(kind, stopped.wait) if isinstance(kind, bytes) else kind)
    try:
        with pytest.raises(error, match="not complete after 0 s"):
            client.request(method, server.url)
        assert server.cut_off.wait(10)
    finally:
        stopped.set()


NO_JSON: dict[str, bytes] = {
    "nested lists without end": b"[" * 200_000,
    "nested lists, closed": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "mixed nesting": b'[{"a":' * 100_000 + b"1" + b"}]" * 100_000,
    "a decimal as long as a disk": b'{"a": 1e999999999}',
    "a decimal as small as nothing": b'{"a": 1e-999999999}',
    "a decimal of a hundred thousand digits": b'{"a": 0.' + b"1" * 100_000 + b"}",
    "a whole number of a hundred thousand digits": b'{"a": ' + b"9" * 100_000 + b"}",
    "half a character": b'{"a": "\\ud83d"}',
    "bytes that are no text": b'{"a": "\xff\xfe"}',
    "no number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "nothing": b"",
    "half an answer": b'{"a": [1, 2',
    "two answers": b'{"a": 1}{"b": 2}',
    "a page": b"<html><body>Sign in</body></html>",
    "a comment": b'{"a": 1} // fine',
    "zeros": bytes(10_000),
}


@pytest.mark.parametrize("name", NO_JSON)
def test_what_is_not_json_or_means_harm_is_a_protocol_error(name: str, tally: Tally) -> None:
    tally("hostile inputs")
    with pytest.raises(RemoteProtocolError):
        HttpReply(200, {}, NO_JSON[name]).json()


FULL: dict[str, bytes] = {
    "lists": b"[],",
    "objects": b"{},",
    "numbers": b"7,",
    "pairs": b'["",""],',
}


@pytest.mark.parametrize("name", FULL)
def test_a_reply_so_full_of_values_that_memory_could_not_hold_them_is_not_read(
    name: str, tally: Tally
) -> None:
    tally("hostile inputs")
    piece = FULL[name]
    content = b"[" + piece * (40 * _MB // len(piece)) + b"1]"
    assert len(content) < http_module.MAX_REPLY_BYTES
    with pytest.raises(RemoteProtocolError, match="too many values"):
        HttpReply(200, {}, content).json()


def test_a_large_honest_page_is_read() -> None:
    record = {f"field_{number}": "some value of it" for number in range(40)}
    content = json.dumps([record] * 20_000).encode()
    assert len(content) > http_module.COUNTED_BYTES
    found: Any = HttpReply(200, {}, content).json()
    assert len(found) == 20_000


def test_cookies_are_never_sent_back(serve: Serve, client: HttpClient, tally: Tally) -> None:
    tally("hostile inputs")
    server = serve(lambda _: reply(b"{}", Set_Cookie="session=of-theirs; Path=/"))
    client.request("GET", server.url)
    client.request("GET", server.url)
    assert len(server.seen) == 2
    assert all(b"of-theirs" not in head and b"cookie:" not in head.lower() for head in server.seen)
