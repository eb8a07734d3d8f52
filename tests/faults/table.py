"""The faults that a call can meet, what becomes of each, and how the page of faults tells it.

One table drives the tests and the page: what it says of requests and waits is counted in every case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.faults.calls import CALLS, Call

from syncline.connect.sandbox import Fault, FaultKind

#: How long a remote may be silent in these tests, and how long a whole exchange may take, in seconds.
SILENCE_S, EXCHANGE_S = 1.5, 1.0
_ASKED_S = 20.0
ALWAYS = 10_000

#: Zoho CRM, Xero, and Zoho Books beside it.
SYSTEMS = ("crm", "books", "billing")

Waits = tuple[tuple[float, float], ...]
#: The waits between four tries, each in a range: they grow, and are never the same for two who wait.
GROWING: Waits = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0))
LIMITED: Waits = (*((float(2**n), 2.0 * 2**n) for n in range(6)), (60.0, 120.0))
AS_ASKED: Waits = ((_ASKED_S, _ASKED_S + 1.0),) * 7
IN_A_MINUTE: Waits = ((1.0, 61.0),) * 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of a call that a fault hits.

    ``hits``: how many requests the fault hit when it hit always, ``None`` where that is not for the client to
    say. ``waits``: between them. ``says``: what the message must match, when it is told. ``once_told``: told
    even when it hits one request alone. ``silent``: nothing is told however often it hits.
    """

    sees: str
    retried: str
    hits: int | None = 1
    waits: Waits = ()
    says: str = ""
    once_told: bool = False
    silent: bool = False


_AGAIN = "the next pass tries again"

REPEATED = Fate(
    hits=4,
    waits=GROWING,
    says=r"(broke off|answered 50\d to) (GET|POST|DELETE) .*again",
    sees="nothing when it passes; else which call was broken off or what was answered",
    retried="three times, after 0.5 to 1, 1 to 2 and 2 to 4 seconds",
)
UNREACHABLE = Fate(
    hits=None,
    waits=GROWING,
    says=r"cannot be reached at 127\.0\.0\.1.*(check the network|syncline connect)",
    sees="nothing when it passes; else that the remote cannot be reached, and at which host",
    retried="three times, after 0.5 to 1, 1 to 2 and 2 to 4 seconds: nothing has been sent",
)
UNREADABLE = Fate(
    hits=1,
    says=r"(not JSON|cannot be read|without tokens).*again",
    once_told=True,
    sees="that the answer cannot be read, and of which call",
    retried="by the next pass",
)
WAITED_OUT = Fate(
    hits=8,
    waits=AS_ASKED,
    says=r"keeps answering that it is asked too often",
    sees="nothing when it passes; after eight times, that the remote is asked too often",
    retried="seven times, each as late as `Retry-After` says; no other process calls meanwhile",
)
BACKED_OFF = replace(
    WAITED_OUT,
    waits=LIMITED,
    retried="seven times, after 1 to 2, 2 to 4, 4 to 8... at most 120 seconds",
)
USED_UP = Fate(
    hits=1,
    says=r"the calls that (books|crm|billing) allows (in a day|for now) are used up.*by itself",
    once_told=True,
    sees="that the calls are used up",
    retried="by the next pass: waiting longer than two minutes holds up everybody else",
)
RENEWED = Fate(
    hits=2,
    says=r"no longer accepts this sign-in.*syncline connect",
    sees="nothing; when the new token is refused as well, that the sign-in has ended",
    retried="once, with a new token",
)
ENDED = Fate(
    hits=1,
    says=r"(no longer accepts (the saved|this) sign-in|refused to sign in).*syncline connect",
    once_told=True,
    sees="that the sign-in has ended, with the command that begins a new one; every pass until then says so",
    retried="when a person has connected again; links and cursors are kept",
)
#: A write that the remote may have carried out.
LOOKED_UP = Fate(
    says=r"sent without an answer.* looks again",
    once_told=True,
    sees="a warning that the answer was lost",
    retried="never blindly: it is looked up at once, and what was not carried out is sent again by a pass two"
    " minutes later or more",
)
FOUND = Fate(
    silent=True,
    sees="nothing",
    retried="never: the record is looked up at once, and found as it was sent",
)
#: A write of several calls that breaks off after the first of them: the record is there, and known.
FINISHED = Fate(
    hits=None,
    says=r"sent without an answer.* looks again|are used up.*by itself",
    sees="nothing when it passes; else a warning that the answer was lost",
    retried="the record is looked up at once, and what is missing of it is done then or by a later pass",
)
#: The same where nobody listens any more, and so nobody answers who looks it up.
FINISHED_LATER = replace(
    FINISHED,
    says=UNREACHABLE.says,
    sees=UNREACHABLE.sees,
    retried="three times, after 0.5 to 1, 1 to 2 and 2 to 4 seconds; what is missing of the record is done by"
    " a later pass",
)
#: The code of a sign-in may have been spent.
SPENT = Fate(
    hits=1,
    says=r"run `syncline connect` again|without tokens",
    once_told=True,
    sees="that signing in was broken off, and to run `syncline connect` again",
    retried="never: a code that is used twice ends the sign-in that it began",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault. ``fault``: as it is armed, ``None`` when it is played otherwise. ``fates``: by kind of call.
    ``systems``: whose connectors can meet it. ``passing``, ``lasting``: tried once, and always. ``slow``:
    takes its time. ``without``: the calls that cannot meet it."""

    id: str
    title: str
    fault: Fault | None
    fates: dict[str, Fate]
    systems: tuple[str, ...] = SYSTEMS
    passing: bool = True
    lasting: bool = True
    slow: bool = False
    without: tuple[str, ...] = ()


def _broken(row_id: str, title: str, fault: Fault, *, stored: bool = False, slow: bool = False) -> Row:
    """An exchange of which it is not known how far it came."""
    fates = {
        "read": REPEATED,
        "write": FOUND if stored else LOOKED_UP,
        "step": FINISHED,
        "code": SPENT,
    }
    return Row(id=row_id, title=title, fault=fault, fates=fates, slow=slow)


def _limit(row_id: str, title: str, fault: Fault, fate: Fate, *systems: str) -> Row:
    """A refusal because of too many calls: nothing was carried out, whatever the call."""
    return Row(
        id=row_id,
        title=title,
        fault=fault,
        fates={**dict.fromkeys(("read", "write", "code"), fate), "step": FINISHED},
        systems=systems or SYSTEMS,
        lasting=fate is not USED_UP,
        without=("sign-in", "refresh") if fault.kind is FaultKind.REMOTE or "problem" in row_id else (),
    )


def _page(status: int) -> Fault:
    return Fault(kind=FaultKind.HTML, status=status)


def _status(status: int, **headers: str) -> Fault:
    return Fault(
        kind=FaultKind.STATUS, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


_UNREADABLE = {"read": UNREADABLE, "write": LOOKED_UP, "step": FINISHED, "code": SPENT}

ROWS = (
    Row(
        id="refused",
        title="The connection is refused: nobody listens",
        fault=None,
        fates={**dict.fromkeys(("read", "write", "code"), UNREACHABLE), "step": FINISHED_LATER},
    ),
    _broken("reset", "The connection is reset before the request is processed", Fault(kind=FaultKind.REFUSE)),
    _broken("lost", "The request is processed and the answer lost", Fault(kind=FaultKind.LOSE), stored=True),
    _broken("cut", "The connection is reset within the answer", Fault(kind=FaultKind.TRUNCATE), stored=True),
    _broken("short", "The answer is shorter than it says", Fault(kind=FaultKind.SHORT), stored=True),
    _broken(
        "silent",
        "The remote is silent for longer than 100 seconds (30 at a token endpoint)",
        Fault(kind=FaultKind.HOLD, delay_s=SILENCE_S + 1.0),
        stored=True,
        slow=True,
    ),
    Row(
        id="drip",
        title="The answer drips in and is not complete after 300 seconds",
        fault=Fault(kind=FaultKind.DRIP, delay_s=0.4),
        fates={**_UNREADABLE, "write": FOUND},
        lasting=False,
        slow=True,
    ),
    _broken("500", "500", _status(500)),
    _broken("500-stored", "500, though carried out", Fault(kind=FaultKind.STATUS_AFTER), stored=True),
    _broken("502-page", "502 with a web page", _page(502)),
    _broken("503", "503", _status(503)),
    _broken(
        "503-stored", "503, though carried out", Fault(kind=FaultKind.STATUS_AFTER, status=503), stored=True
    ),
    Row(
        id="503-later",
        title="503 with `Retry-After`",
        fault=_status(503, Retry_After=f"{_ASKED_S:.0f}"),
        fates={
            "read": replace(REPEATED, waits=AS_ASKED[:3], retried="three times, as late as it says"),
            "write": LOOKED_UP,
            "step": FINISHED,
            "code": SPENT,
        },
    ),
    Row(
        id="malformed",
        title="Broken JSON",
        fault=Fault(kind=FaultKind.MALFORMED),
        fates={**_UNREADABLE, "write": FOUND},
    ),
    Row(id="200-page", title="A web page with 200", fault=_page(200), fates=_UNREADABLE),
    _limit(
        "429-later",
        "429 with `Retry-After` of at most two minutes",
        _status(429, Retry_After=f"{_ASKED_S:.0f}"),
        WAITED_OUT,
    ),
    _limit("429", "429 without `Retry-After`", _status(429), BACKED_OFF),
    _limit("429-tomorrow", "429 with a longer `Retry-After`", _status(429, Retry_After="40000"), USED_UP),
    _limit(
        "429-minute",
        "429 for the minute's calls",
        Fault(kind=FaultKind.REMOTE, name="minute"),
        replace(WAITED_OUT, waits=IN_A_MINUTE),
        "books",
    ),
    _limit(
        "429-minute-untold",
        "429 for the minute's calls, without `Retry-After`",
        Fault(kind=FaultKind.REMOTE, name="minute"),
        BACKED_OFF,
        "billing",
    ),
    _limit(
        "429-app-minute",
        "429 for the minute's calls of all organisations of an application",
        Fault(kind=FaultKind.REMOTE, name="appminute"),
        replace(WAITED_OUT, waits=IN_A_MINUTE),
        "books",
    ),
    _limit(
        "429-concurrent",
        "429 for too many calls at once",
        Fault(kind=FaultKind.REMOTE, name="concurrent"),
        BACKED_OFF,
        "books",
    ),
    _limit(
        "429-day",
        "429 for the day's calls",
        Fault(kind=FaultKind.REMOTE, name="day"),
        USED_UP,
        "books",
        "billing",
    ),
    _limit(
        "429-day-problem",
        "429 for the day's calls, without `Retry-After`",
        _status(429, X_Rate_Limit_Problem="day"),
        USED_UP,
        "books",
    ),
    _limit(
        "429-concurrency",
        "429 for too many calls at once, or for the credits of a day",
        Fault(kind=FaultKind.REMOTE, name="concurrency"),
        BACKED_OFF,
        "crm",
        "billing",
    ),
    Row(
        id="expired",
        title="The token has expired",
        fault=Fault(kind=FaultKind.REMOTE, name="token-expired"),
        fates={**dict.fromkeys(("read", "write"), RENEWED), "step": FINISHED},
        without=("sign-in", "refresh", "organisations"),
    ),
    Row(
        id="revoked",
        title="The sign-in was revoked",
        fault=None,
        fates=dict.fromkeys(("read", "write", "step", "code"), ENDED),
        passing=False,
        without=("organisations",),
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault that hits a call: one request of it, or (``always``) every one."""

    call: Call
    row: Row
    always: bool

    @property
    def id(self) -> str:
        return f"{self.call.id}-{self.row.id}-{'always' if self.always else 'once'}"

    @property
    def fate(self) -> Fate:
        return self.row.fates[self.call.kind]


def all_cases(calls: Sequence[Call] = CALLS, rows: Sequence[Row] = ROWS) -> list[Case]:
    return [
        Case(call, row, always)
        for call in calls
        for row in rows
        if call.system in row.systems and call.name not in row.without and call.kind in row.fates
        for always in (False, True)
        if (row.lasting if always else row.passing)
    ]
