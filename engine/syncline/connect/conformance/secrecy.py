"""Secrets: none in a log, an error, an outcome or a repr."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from syncline.connect.conformance.bench import field_names
from syncline.connect.conformance.promise import Broken, Case, Chapter, Level, World
from syncline.connect.contract import WriteKind
from syncline.connect.sandbox import Fault, FaultKind
from syncline.errors import SynclineError

SECRECY = Chapter(Level.SURVIVES)
_LONG_S = 4 * 3600.0
_ALWAYS = 50
#: Below the contract; what they would say of a request is switched off where the engine runs.
_LIBRARIES = ("httpx", "httpcore")


class _Listener(logging.Handler):
    """Keeps what is logged as text, unmasked."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] in _LIBRARIES and record.levelno < logging.ERROR:
            return
        self.texts.append(self._formatter.format(record))


@contextmanager
def _listening() -> Iterator[_Listener]:
    root, listener = logging.getLogger(), _Listener()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        yield listener
    finally:
        root.removeHandler(listener)
        root.setLevel(level)


@SECRECY.promise(
    "secrets",
    "No token, code or client secret is in any log record, error, outcome or repr, whatever goes wrong.",
    world=World.SMALL,
)
def check_secrets(case: Case) -> None:
    bench = case.bench
    secrets = {"the client secret": bench.client.secret}
    said: list[tuple[str, str]] = []
    with _listening() as listener:
        for name, call in _doings(case):
            secrets |= _tokens(case, name)
            said.append((f"what {name} gave", _outcome_of(call)))
            bench.sandbox.faults.clear()
            secrets |= _tokens(case, f"{name}, afterwards")
    said += [("a log record", text) for text in listener.texts]
    said.append(("the connector's repr", repr(bench.connector)))
    said.append(("the session's repr", repr(bench.session)))
    for what, text in said:
        for secret, value in secrets.items():
            if value and value in text:
                raise Broken(f"no secret in {what}", f"{secret.split(' (')[0]} is in it")


def _doings(case: Case) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls that go well and badly, with the fault of each armed when it is handed out."""
    bench, samples = case.bench, case.samples
    session = bench.session
    modules = [bench.live(m) for m in bench.connector.catalogue().modules if not m.lookup]
    yield "organisations()", session.organisations
    yield "check()", session.check
    yield "discover()", session.discover
    for module in modules:
        known = [r.id for r in samples.known(module)[:2]]

        def read(module: Any = module) -> Any:
            return list(session.read(module.name, None, field_names(module)))[:1]

        def read_ids(module: Any = module, known: Any = known) -> Any:
            return session.read_ids(module.name, known, field_names(module))

        def create(module: Any = module, values: Any = None) -> Any:
            write = samples.write(WriteKind.CREATE, values=values)
            outcomes = session.write(module.name, [write])
            return [outcomes, session.settle(module.name, [samples.sent(write)])]

        yield f"read({module.name})", read
        for fault in (
            Fault(kind=FaultKind.HTML, status=200, times=_ALWAYS),
            Fault(kind=FaultKind.HTML, status=403, times=_ALWAYS),
            Fault(kind=FaultKind.STATUS, status=401, times=_ALWAYS),
            Fault(kind=FaultKind.STATUS, status=404, times=_ALWAYS),
            Fault(kind=FaultKind.STATUS, status=500, times=_ALWAYS),
            Fault(kind=FaultKind.REFUSE, times=_ALWAYS),
        ):
            for name, call in (("check()", session.check), ("read()", read), ("read_ids()", read_ids)):
                bench.sandbox.faults.arm(fault)
                yield f"{name} of {module.name} with {fault.kind.value} {fault.status}", call
            if module.capabilities.create_batch:
                values = {field.name: "X" for field in module.fields if field.required}
                bench.sandbox.faults.arm(fault)
                yield (
                    f"a create of {module.name} with {fault.kind.value} {fault.status}",
                    lambda create=create, values=values: create(values=values),  # type: ignore[misc]
                )
        if module.capabilities.create_batch:
            yield f"a refused create of {module.name}", lambda create=create: create(values={})  # type: ignore[misc]
    bench.advance(_LONG_S)
    yield "check() after the token expired", session.check
    if bench.oauth().revoke_url is not None:
        bench.endpoint.revoke(bench.oauth(), bench.client, bench.tokens)
        bench.advance(_LONG_S)
        bench.behind_s += _LONG_S
        yield "check() after the sign-in was revoked", session.check


def _outcome_of(call: Callable[[], Any]) -> str:
    """All that a person or a log may come to see of a call."""
    try:
        return repr(call())
    except SynclineError as error:
        chain: list[str] = []
        link: BaseException | None = error
        while link is not None:
            chain.append(f"{link} {link!r}")
            link = link.__cause__
        return "\n".join(chain)
    except Exception as error:
        return f"{error} {error!r}"


def _tokens(case: Case, when: str) -> dict[str, str]:
    tokens = case.bench.tokens
    return {
        f"the access token ({when})": tokens.access_token,
        f"the refresh token ({when})": tokens.refresh_token or "",
    }
