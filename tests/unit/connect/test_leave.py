"""Leave to send: what may change a remote goes out only with leave that is fresh."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from tests.unit.connect.test_http_faults import Things

from syncline.connect import HttpClient
from syncline.connect import leave as module
from syncline.connect.leave import Leave, sending_only_if
from syncline.connect.sandbox import SandboxServer, SandboxSettings
from syncline.errors import SynclineError


class TakenOver(SynclineError):
    """Says no."""


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    opened = SandboxServer(Things(SandboxSettings()))
    yield opened
    opened.close()


def ticking(step: float) -> Callable[[], float]:
    ticks = itertools.count(1)
    return lambda: next(ticks) * step


def refuse_from(number: int) -> Callable[[], None]:
    """A check that refuses from the so-and-so-manieth question on."""
    asked = itertools.count(1)

    def check() -> None:
        if next(asked) >= number:
            raise TakenOver("another process has taken over")

    return check


def test_leave_that_is_fresh_is_not_asked_for_again() -> None:
    asked: list[int] = []
    leave = Leave(lambda: asked.append(1), lambda: 5.0)
    leave.ask()
    leave.ask()
    assert len(asked) == 1


def test_leave_goes_stale() -> None:
    asked: list[int] = []
    now = [5.0]
    leave = Leave(lambda: asked.append(1), lambda: now[0])
    leave.ask()
    now[0] += module.LEAVE_S
    leave.ask()
    assert len(asked) == 2


def test_who_was_stopped_while_asking_asks_again() -> None:
    now = [5.0]
    stops = iter([300.0, 0.0])

    def check() -> None:
        now[0] += next(stops)

    Leave(check, lambda: now[0]).ask()
    assert next(stops, None) is None


def test_a_state_too_slow_to_tell_sends_nothing() -> None:
    with pytest.raises(SynclineError, match="too slowly"):
        Leave(lambda: None, ticking(module.LEAVE_S)).ask()


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_without_leave_no_write_goes_out(server: SandboxServer, method: str) -> None:
    with HttpClient() as http, sending_only_if(refuse_from(1)), pytest.raises(TakenOver):
        http.request(method, f"{server.base_url}/things", json={"a": 1})
    assert server.counts() == []


def test_a_read_needs_no_leave(server: SandboxServer) -> None:
    with HttpClient() as http, sending_only_if(refuse_from(1)):
        assert http.request("GET", f"{server.base_url}/things").status == 200
        assert http.request("POST", f"{server.base_url}/things", json={}, reads=True).status == 200


def test_leave_is_asked_for_again_when_the_connection_took_long(
    server: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "steady", ticking(0.6))  # so that one step later leave is stale
    with HttpClient() as http, sending_only_if(refuse_from(2)), pytest.raises(TakenOver):
        http.request("POST", f"{server.base_url}/things", json={"a": 1})
    assert server.counts() == []


def test_each_try_needs_its_own_leave(server: SandboxServer) -> None:
    with HttpClient() as http, sending_only_if(refuse_from(2)):
        assert http.request("POST", f"{server.base_url}/things", json={}).status == 200
        with pytest.raises(TakenOver):
            http.request("POST", f"{server.base_url}/things", json={})
    assert [count for *_, count in server.counts()] == [1]
