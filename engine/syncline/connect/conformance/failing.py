"""Calls that fail: waited out, tried again, or told as one of the contract's errors."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

from syncline.connect.conformance.bench import field_names
from syncline.connect.conformance.losing import arm_call
from syncline.connect.conformance.promise import (
    Broken,
    Case,
    Chapter,
    Level,
    NotApplicable,
    World,
    expect,
)
from syncline.connect.conformance.samples import told
from syncline.connect.conformance.writing import count_holding
from syncline.connect.contract import OutcomeKind, WriteKind
from syncline.connect.errors import (
    PermissionMissing,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteUnavailable,
    WrongOrganisation,
)
from syncline.connect.sandbox import Fault, FaultKind

FAILING = Chapter(Level.SURVIVES)
_ALWAYS = 50
_RETRY_AFTER_S = 3.0
_UNTIL_TOMORROW_S = 30_000
_MUCH_CAN_FAIL = 5


@FAILING.promise(
    "blips", "A read goes on after a fault that passes: a 503, a reset connection, half an answer.",
    world=World.SMALL, by_module=True,
)  # fmt: skip
def check_blips(case: Case) -> None:
    expected = {r.id for r in case.bench.read(case.module)[0]}
    for fault in (
        Fault(kind=FaultKind.STATUS, status=503),
        Fault(kind=FaultKind.REFUSE),
        Fault(kind=FaultKind.LOSE),
        Fault(kind=FaultKind.TRUNCATE),
    ):
        case.bench.sandbox.faults.arm(fault)
        seen = {r.id for r in _or_broken(case, f"a read to go on after one {fault.kind.value}")}
        expect(seen == expected, f"all {len(expected)} records after one {fault.kind.value}", f"{len(seen)}")


@FAILING.promise(
    "down", "While the remote is down every call raises RemoteUnavailable.", world=World.SMALL, by_module=True
)
def check_down(case: Case) -> None:
    bench = case.bench
    calls = _calls(case)
    for fault in (
        Fault(kind=FaultKind.STATUS, status=503, times=_ALWAYS),
        Fault(kind=FaultKind.REFUSE, times=_ALWAYS),
    ):
        for name, call in calls.items():
            bench.sandbox.faults.arm(fault)
            _expect_raised(f"{name}() during {fault.kind.value}", call, RemoteUnavailable)
            bench.sandbox.faults.clear()


@FAILING.promise("unreachable", "An address where nobody answers raises RemoteUnavailable.")
def check_unreachable(case: Case) -> None:
    with closing(socket.socket()) as taken:
        # Bound without listening: nobody else gets the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        session, _, _ = case.bench.open(
            organisation=case.bench.choose(case.bench.session.organisations()),
            base_url=f"http://127.0.0.1:{taken.getsockname()[1]}",
        )
        _expect_raised("check() at an address where nobody answers", session.check, RemoteUnavailable)


@FAILING.promise(
    "nonsense",
    "Broken JSON, an error page and an empty answer raise an error of the contract, no other exception.",
    world=World.SMALL,
    by_module=True,
)
def check_nonsense(case: Case) -> None:
    faults = (
        Fault(kind=FaultKind.MALFORMED, times=_ALWAYS),
        Fault(kind=FaultKind.HTML, status=200, times=_ALWAYS),
        Fault(kind=FaultKind.HTML, status=502, times=_ALWAYS),
        Fault(kind=FaultKind.HTML, status=404, times=_ALWAYS),
        Fault(kind=FaultKind.STATUS, status=200, body="[]", times=_ALWAYS),
        Fault(kind=FaultKind.STATUS, status=200, body="null", times=_ALWAYS),
        Fault(kind=FaultKind.STATUS, status=418, times=_ALWAYS),
    )
    for fault in faults:
        what = f"{fault.kind.value} {fault.status} {fault.body}".strip()
        for name, call in _calls(case).items():
            case.bench.sandbox.faults.arm(fault)
            try:
                call()
            except RemoteError:
                continue
            except Exception as error:
                raise Broken(
                    f"an error of the contract from {name}() answered with {what}",
                    f"{type(error).__name__} was raised: {error}",
                ) from error
            finally:
                case.bench.sandbox.faults.clear()
            if name == "read_ids" and fault.status == 404:
                continue  # a remote may say so of a record that does not exist
            raise Broken(f"an error from {name}() answered with {what}", "it succeeded")


@FAILING.promise(
    "refused-call",
    "A call that the remote refuses as a whole raises an error a person can act on.",
    world=World.SMALL,
    by_module=True,
)
def check_refused_call(case: Case) -> None:
    for status, kinds in (
        (401, (ReconnectNeeded, PermissionMissing)),
        (403, (PermissionMissing, ReconnectNeeded, WrongOrganisation)),
        (500, (RemoteUnavailable,)),
    ):
        for name, call in _calls(case).items():
            case.bench.sandbox.faults.arm(Fault(kind=FaultKind.STATUS, status=status, times=_ALWAYS))
            _expect_raised(f"{name}() answered {status}", call, *kinds)
            case.bench.sandbox.faults.clear()


@FAILING.promise(
    "throttled", "A 429 is waited out as long as it asks, for reads and creates.", world=World.SMALL,
    by_module=True,
)  # fmt: skip
def check_throttled(case: Case) -> None:
    bench, module, samples = case.bench, case.module, case.samples
    headers = {"Retry-After": str(int(_RETRY_AFTER_S))}
    expected = {r.id for r in bench.read(module)[0]}
    slow = Fault(kind=FaultKind.STATUS, status=429, headers=headers, times=2)
    bench.sandbox.faults.arm(slow)
    started = bench.now_s()
    seen = {r.id for r in _or_broken(case, "a read to go on after two 429")}
    waited = bench.now_s() - started
    expect(seen == expected, f"all {len(expected)} records after two 429", f"there are {len(seen)}")
    expect(waited >= 2 * _RETRY_AFTER_S, f"to wait {2 * _RETRY_AFTER_S:.0f} s", f"it were {waited:.1f} s")
    learnt, known_text = samples.tagged(module)
    arm_call(case, lambda: samples.create(module, learnt), slow, holding=known_text)
    values, text = samples.tagged(module)
    outcome = samples.create(module, values)
    bench.sandbox.faults.clear()
    expect(outcome.kind is OutcomeKind.DONE, "a create to go on after two 429", f"it was {told(outcome)}")
    count = count_holding(case, text)
    expect(count == 1, "one record", f"there are {count}")


@FAILING.promise(
    "quota", "A 429 that will not clear within a pass raises QuotaExhausted with the time.",
    world=World.SMALL, by_module=True,
)  # fmt: skip
def check_quota(case: Case) -> None:
    fault = Fault(
        kind=FaultKind.STATUS, status=429, headers={"Retry-After": str(_UNTIL_TOMORROW_S)}, times=_ALWAYS
    )
    for name, call in _calls(case).items():
        case.bench.sandbox.faults.arm(fault)
        error = _expect_raised(f"{name}() when the day's calls are used up", call, QuotaExhausted)
        assert isinstance(error, QuotaExhausted)
        expect(
            error.retry_after_s is not None and error.retry_after_s >= _UNTIL_TOMORROW_S / 2,
            "retry_after_s to be what the remote said",
            f"it is {error.retry_after_s}",
        )
        case.bench.sandbox.faults.clear()


@FAILING.promise(
    "create-refused",
    "A create that is answered with an error before it was stored leaves no record and no DONE.",
    world=World.SMALL,
    by_module=True,
)
def check_create_refused(case: Case) -> None:
    module, samples = case.module, case.samples
    for kind, status in (
        (FaultKind.STATUS, 503),
        (FaultKind.STATUS, 500),
        (FaultKind.STATUS, 400),
        (FaultKind.STATUS, 403),
        (FaultKind.HTML, 200),
        (FaultKind.HTML, 502),
    ):
        learnt, known_text = samples.tagged(module)
        arm_call(
            case,
            lambda learnt=learnt: samples.create(module, learnt),  # type: ignore[misc]
            Fault(kind=kind, status=status, times=_ALWAYS),
            holding=known_text,
        )
        values, text = samples.tagged(module)
        write = samples.write(WriteKind.CREATE, values=values)
        try:
            outcome = case.bench.session.write(module.name, [write])[0]
        except RemoteError:
            continue
        finally:
            case.bench.sandbox.faults.clear()
        expect(outcome.kind is not OutcomeKind.DONE, f"no DONE for a create answered {status}", "it was DONE")
        expect(count_holding(case, text) == 0, "no record", "there is one")


def _calls(case: Case) -> dict[str, Callable[[], Any]]:
    """The calls of a session that read, each with a result that is true when it succeeded."""
    bench, module = case.bench, case.module
    known = [r.id for r in case.samples.known(module)[:2]]
    if not known:
        raise NotApplicable("the sandbox holds no live records of this module")
    session = bench.session
    return {
        "check": lambda: session.check(),
        "read": lambda: list(session.read(module.name, None, field_names(module))),
        "read_ids": lambda: list(session.read_ids(module.name, known, field_names(module))),
    }


def _or_broken(case: Case, expected: str) -> list[Any]:
    try:
        return case.bench.read(case.module)[0]
    except RemoteError as error:
        raise Broken(expected, f"{type(error).__name__} was raised: {error.what}") from error
    finally:
        case.bench.sandbox.faults.clear()


def _expect_raised(what: str, call: Callable[[], Any], *kinds: type[RemoteError]) -> RemoteError:
    expected = " or ".join(kind.__name__ for kind in kinds)
    try:
        call()
    except kinds as error:
        return error
    except Exception as error:
        raise Broken(f"{expected} from {what}", f"{type(error).__name__} was raised: {error}") from error
    raise Broken(f"{expected} from {what}", "it succeeded")
