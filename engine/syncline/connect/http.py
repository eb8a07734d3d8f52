"""The HTTP client that every connector is given."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Inexact, InvalidOperation, Overflow, Underflow
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from msgspec import field

from syncline.connect.budget import Budget, Pace
from syncline.connect.contract import Limits
from syncline.connect.errors import (
    AnswerLost,
    QuotaExhausted,
    ReconnectNeeded,
    RemoteError,
    RemoteProtocolError,
    RemoteUnavailable,
)
from syncline.connect.leave import leave
from syncline.connect.secrets import RedactingFilter, Untold, quiet_libraries, redact
from syncline.connect.waiting import Waiting
from syncline.errors import SynclineError

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("syncline.http")
log.addFilter(RedactingFilter())

#: Decimals exactly as they are written, but for those that no arithmetic with them would end: ``1e999999999``
#: is ten characters long, and a gigabyte as a whole number.
_DECIMALS = Context(
    prec=1_000, Emax=1_000, Emin=-1_000, traps=[Inexact, Overflow, Underflow, InvalidOperation]
)
_decode = msgspec.json.Decoder(float_hook=_DECIMALS.create_decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

#: A reply larger than this, unpacked, is refused, whatever it holds.
MAX_REPLY_BYTES = 64 * 1024 * 1024
#: Beyond this size the values of a reply are counted before it is read: each takes up to 70 bytes of memory,
#: and three characters are enough for one.
COUNTED_BYTES = 4 * 1024 * 1024
MAX_VALUES = 4_000_000
#: A remote that asks to wait longer than this is not waited for within a pass.
MAX_WAIT_S = 120.0
#: How long a remote may say nothing before an exchange counts as broken off.
SILENCE_S = 100.0
#: A whole exchange, however slowly the bytes drip in; shorter than a ledger's ``FLIGHT_S``.
MAX_EXCHANGE_S = 300.0
_PIECE = 64 * 1024
_FAULT_TRIES = 4
_LIMIT_TRIES = 8
_FAULT_WAIT_S = 0.5
_LIMIT_WAIT_S = 1.0
#: Where remotes put the name of one exchange that their support asks for.
_CORRELATION = ("correlation-id", "request-id", "trace-id")

Params = Mapping[str, str] | Sequence[tuple[str, str]]


class UrlRefused(SynclineError):
    """An address that must not be called."""


def check_url(url: str) -> None:
    """Refuse every address but https, and plain http to this very machine (127.0.0.0/8, ::1, localhost).

    Raises :class:`UrlRefused`. The message names no more of the address than its scheme and host.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise UrlRefused("an address is not a URL", fix="write https://host/path") from error
    if not host or parts.scheme not in ("http", "https") or any(c.isspace() or ord(c) < 32 for c in url):
        raise UrlRefused(
            "an address is not a web address",
            fix="write https://host/path",
        )
    if not host.isascii():
        raise UrlRefused(
            "an address names its host in letters that may look like others",
            fix="write the host as it is registered (xn--...), so that it can be told from a look-alike",
        )
    if parts.username is not None or parts.password is not None:
        raise UrlRefused(
            f"the address of {host} holds a user name or password",
            fix="take it out; credentials go into client_id and client_secret",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise UrlRefused(
            f"http://{host} would send data and tokens in the clear",
            fix=f"use https://{host}; plain http is for this machine alone (127.0.0.1, localhost)",
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HttpReply(Untold, frozen=True):
    """A complete answer. ``headers``: names in lower case, repeated ones joined by ", ".

    ``source``, ``asked``: what messages call the remote and the call.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    source: str = "the remote"
    asked: str = ""

    @property
    def text(self) -> str:
        """The body as UTF-8, what is not UTF-8 replaced."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, decimals as ``Decimal``; raises RemoteProtocolError when it is not JSON, or nested so
        deeply or so full of values that it means harm."""
        if _values_at_most(self.content) > MAX_VALUES:
            raise RemoteProtocolError(
                f"{self._said()} {len(self.content)} bytes with too many values to hold",
                fix="ask for less at once; if it happens again, the remote or something between has a fault",
                status=self.status,
                correlation=self.correlation,
            )
        try:
            return _decode(self.content.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError) as error:
            kind = self.headers.get("content-type", "no content type").split(";")[0][:60]
            raise RemoteProtocolError(
                f"{self._said()} {len(self.content)} bytes ({kind}) that are not JSON",
                fix="the next pass tries again; if it lasts, the remote or something between has a fault",
                status=self.status,
                correlation=self.correlation,
            ) from error

    def _said(self) -> str:
        return f"{self.source} answered {self.status}{self.asked and f' to {self.asked}'}:"

    @property
    def date(self) -> datetime | None:
        """The remote's clock (the Date header), aware UTC."""
        return _http_date(self.headers.get("date", ""))

    @property
    def correlation(self) -> str | None:
        """The remote's own name for this exchange, if it gave one: its support asks for it."""
        for name, value in self.headers.items():
            if name.endswith(_CORRELATION):
                return value[:100]
        return None


class SignIn(Protocol):
    """How requests are signed; see :class:`syncline.connect.tokens.TokenKeeper`."""

    def authorization(self) -> str:
        """The value of the Authorization header; raises ReconnectNeeded when there is none."""
        ...

    def expired(self, body: str) -> bool:
        """Whether a 401 with this body is worth one refresh."""
        ...

    def renew(self, refused: str) -> str:
        """Another value, after the remote refused this one as expired; raises ReconnectNeeded."""
        ...


class _Call(Untold, frozen=True, kw_only=True):
    method: str
    url: str  # with the whole query
    asked: str  # what the log says of it: the path and the names of the query's parameters
    headers: Mapping[str, str]
    content: bytes | None
    repeatable: bool
    reads: bool
    cost: int
    id: str


class _Again(Exception):
    """This exchange may be repeated: after ``wait_s``, or after a growing delay; else ``last`` is raised."""

    def __init__(self, last: SynclineError, *, limit: bool = False, wait_s: float | None = None) -> None:
        super().__init__(last.what)
        self.last, self.limit, self.wait_s = last, limit, wait_s


class HttpClient:
    """One organisation's line to its remote: pooled, limited, retried, signed in, redacted in logs.

    Safe to share between threads. Nothing is opened before the first request. Certificates are always
    checked and redirects never followed: an address comes from the spec, not from a reply.
    """

    def __init__(
        self,
        *,
        label: str = "the remote",
        account: str = "",
        limits: Limits | None = None,
        budget: Budget | None = None,
        sign_in: SignIn | None = None,
        waiting: Waiting | None = None,
        transport: httpx.BaseTransport | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """``label``: what messages call the remote. ``account``: whose line it is, for the log
        (``connector:organisation``). ``budget``: by default one of this process alone, made
        from ``limits``. ``transport``: in place of the network. ``timeout_s``: for a silence."""
        self._label = label
        self._whose = f"{label} {account}".rstrip()
        self._limits = limits or Limits()
        self._waiting = waiting or Waiting()
        self._budget: Budget = budget or Pace(self._limits, label=label, waiting=self._waiting)
        self._sign_in = sign_in
        self._transport = transport
        self._timeout_s = SILENCE_S if timeout_s is None else timeout_s
        self._lock = threading.Lock()
        #: By whether they stay on this machine, and whether they are encrypted.
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}
        self._closed = False
        self._reads = 0
        self._writes = 0

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        repeatable: bool | None = None,
        reads: bool | None = None,
        cost: int = 1,
    ) -> HttpReply:
        """Send, and return whatever answer the remote gave, once waiting and repeating has been done.

        ``json``: encoded with ``Decimal`` as exact JSON numbers; or ``form``: as a web form; or
        ``content``: as it is. ``reads``: changes nothing there (default: GET and HEAD). ``repeatable``:
        may be sent again after a fault that leaves open whether it was carried out (default: what reads).
        ``cost``: units of the daily budget. 429 is waited out here; 401 with an expired mark is refreshed
        and sent again.

        Raises RemoteUnavailable (nothing was carried out, or it was repeatable and still failed),
        AnswerLost (not repeatable and its fate is open), QuotaExhausted, ReconnectNeeded, and
        RemoteProtocolError for a redirect or an answer beyond all size.
        5xx answers to a non-repeatable request are returned, for the connector to judge.
        """
        check_url(url)
        method = method.upper()
        pairs = list(params.items() if isinstance(params, Mapping) else params or ())
        sent_headers = {"accept": "application/json", **{k.lower(): v for k, v in (headers or {}).items()}}
        if json is not None:
            content = _encode(json)
            sent_headers.setdefault("content-type", "application/json")
        elif form is not None:
            content = urlencode(form).encode()
            sent_headers.setdefault("content-type", "application/x-www-form-urlencoded")
        if reads is None:
            reads = method in ("GET", "HEAD")
        call = _Call(
            method=method,
            url=_with_query(url, pairs),
            asked=_path(url) + ("?" + "&".join(name for name, _ in pairs) if pairs else ""),
            headers=sent_headers,
            content=content,
            repeatable=reads if repeatable is None else repeatable,
            reads=reads,
            cost=cost,
            id=uuid.uuid4().hex[:12],
        )
        waited = self._patience(call)
        while True:
            try:
                return self._judge(call, self._signed(call))
            except _Again as again:
                if not waited(again):
                    raise again.last from again.__cause__

    def counts(self) -> dict[str, int]:
        """How many requests were sent so far, repeats included: ``{"read": n, "write": n}``."""
        with self._lock:
            return {"read": self._reads, "write": self._writes}

    def close(self) -> None:
        """Close every connection; a later request is an error."""
        with self._lock:
            clients, self._clients, self._closed = list(self._clients.values()), {}, True
        for client in clients:
            client.close()

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- one exchange ----------------------------------------------------------------------------

    def _signed(self, call: _Call) -> HttpReply:
        """One exchange, signed in; a token that has just expired costs a second one."""
        if self._sign_in is None:
            return self._exchange(call, None)
        authorization = self._sign_in.authorization()
        reply = self._exchange(call, authorization)
        if reply.status != 401:
            return reply
        if self._sign_in.expired(reply.text):
            reply = self._exchange(call, self._sign_in.renew(authorization))
            if reply.status != 401:
                return reply
        raise ReconnectNeeded(
            f"{self._label} no longer accepts this sign-in",
            fix="run `syncline connect` for this system again",
            status=401,
            correlation=reply.correlation,
        )

    def _exchange(self, call: _Call, authorization: str | None) -> HttpReply:
        """Send once, within the budget. Raises :class:`_Again`, or an error that repeating cannot mend."""
        import httpx

        from syncline.connect.timelimit import TimeUp

        ticket = self._budget.acquire(call.cost)
        headers = {**call.headers, **({} if authorization is None else {"authorization": authorization})}
        reply: HttpReply | None = None
        started = self._waiting.now()
        with self._lock:
            self._reads += call.reads
            self._writes += not call.reads
        try:
            reply = self._transfer(call, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self._log(call, started, type(error).__name__)
            raise self._unreachable(call, error) from error
        except httpx.TransportError as error:
            self._log(call, started, type(error).__name__)
            raise self._broken_off(call, error) from error
        except (_Unreadable, TimeUp) as error:
            self._log(call, started, type(error).__name__)
            raise self._unreadable(call, error) from error
        finally:
            self._budget.release(ticket, None if reply is None else reply.headers)
        self._log(call, started, str(reply.status), reply.correlation)
        return reply

    def _transfer(self, call: _Call, headers: Mapping[str, str]) -> HttpReply:
        from syncline.connect.timelimit import time_limit

        deadline = self._waiting.now() + MAX_EXCHANGE_S
        client = self._client(call.url)
        asked = None if call.reads else leave()
        if asked is not None:
            asked.ask()
        extensions = {} if asked is None else {"trace": asked.trace}
        with (
            time_limit(MAX_EXCHANGE_S),
            client.stream(
                call.method, call.url, headers=headers, content=call.content, extensions=extensions
            ) as response,
        ):
            chunks, size = [], 0
            for chunk in _unpacked(response):
                size += len(chunk)
                if size > MAX_REPLY_BYTES:
                    raise _Unreadable(f"more than {MAX_REPLY_BYTES // 2**20} MB")
                if self._waiting.now() > deadline:
                    raise _Unreadable(f"not complete after {MAX_EXCHANGE_S:.0f} s")
                chunks.append(chunk)
            found = {name.lower(): value for name, value in response.headers.items()}
            content, named = b"".join(chunks), f"{call.method} {_path(call.url)}"
        # It and its stream hold each other: they would lie about until somebody looks for such circles.
        del response.stream
        return HttpReply(response.status_code, found, content, self._label, named)

    def _client(self, url: str) -> httpx.Client:
        """The pool for this machine, or the one for the network.

        Proxies and further certificate authorities of the environment count for the network only: a
        proxy could not reach a loopback address of ours.
        """
        import httpx

        from syncline.connect.timelimit import limited

        parts = urlsplit(url)
        loopback, encrypted = is_loopback(parts.hostname or ""), parts.scheme == "https"
        with self._lock:
            if self._closed:
                raise SynclineError("this connection has been closed", fix="open a new one")
            client = self._clients.get((loopback, encrypted))
            if client is None:
                quiet_libraries()
                client = self._clients[loopback, encrypted] = limited(
                    httpx.Client(
                        transport=self._transport,
                        timeout=httpx.Timeout(self._timeout_s, connect=10.0),
                        limits=httpx.Limits(max_keepalive_connections=10, keepalive_expiry=10.0),
                        verify=_ssl_context() if encrypted else _trusts_nobody(),
                        trust_env=not loopback,
                        follow_redirects=False,
                        # No API needs cookies, and whoever sets them could pile them up without end.
                        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                        headers={"user-agent": "syncline", "accept-encoding": "gzip"},
                    )
                )
            return client

    # --- what an answer means ----------------------------------------------------------------------

    def _judge(self, call: _Call, reply: HttpReply) -> HttpReply:
        """The reply when it is the connector's to read; otherwise what happens instead."""
        if reply.status == 429:
            raise self._limited(reply)
        if reply.status >= 500 and reply.status not in (501, 505) and call.repeatable:
            raise _Again(
                RemoteUnavailable(
                    f"{self._label} answered {reply.status} to {call.method} {_path(call.url)}",
                    fix="the next pass tries again; if it lasts, look at the remote's status page",
                    status=reply.status,
                    correlation=reply.correlation,
                ),
                wait_s=_retry_after(reply, self._waiting.now()),
            )
        if reply.status in (301, 302, 303, 307, 308):
            raise RemoteProtocolError(
                f"{self._label} redirects {call.method} {_path(call.url)}; redirects are not followed",
                fix="check base_url and the connector's region options",
                status=reply.status,
                correlation=reply.correlation,
            )
        return reply

    def _limited(self, reply: HttpReply) -> Exception:
        """429: what to wait for, and whether to."""
        name = self._limits.problem_header
        problem = reply.headers.get(name.lower(), "").lower() if name else ""
        wait_s = _retry_after(reply, self._waiting.now())
        if "day" in problem or (wait_s is not None and wait_s > MAX_WAIT_S):
            which = "allows in a day" if "day" in problem else "allows for now"
            return QuotaExhausted(
                f"the calls that {self._label} {which} are used up",
                retry_after_s=wait_s,
                fix="syncing goes on by itself once there is room again; a longer interval needs fewer calls",
            )
        if wait_s is not None:
            self._budget.hold(wait_s)
        lasting = QuotaExhausted(
            f"{self._label} keeps answering that it is asked too often",
            retry_after_s=wait_s,
            fix="the next pass tries again; see who else uses this organisation's calls",
        )
        return _Again(lasting, limit=True, wait_s=wait_s)

    def _unreachable(self, call: _Call, error: httpx.TransportError) -> Exception:
        host = urlsplit(call.url).hostname
        if _certificate_fault(error):
            return RemoteUnavailable(
                f"the certificate of {host} cannot be trusted: {redact(str(error))}",
                fix="if your network inspects traffic, point SSL_CERT_FILE at its certificate authority",
            )
        return _Again(
            RemoteUnavailable(
                f"{self._label} cannot be reached at {host} ({redact(str(error)) or type(error).__name__})",
                fix="check the network, the proxy settings and base_url; the next pass tries again",
            )
        )

    def _broken_off(self, call: _Call, error: httpx.TransportError) -> Exception:
        what = f"{self._label} broke off {call.method} {_path(call.url)} ({type(error).__name__})"
        if not call.repeatable:
            return AnswerLost(what, fix="whether it was carried out is found out before anything is repeated")
        return _Again(RemoteUnavailable(what, fix="the next pass tries again"))

    def _unreadable(self, call: _Call, error: Exception) -> RemoteError:
        kind = RemoteProtocolError if call.reads else AnswerLost
        return kind(
            f"the answer of {self._label} to {call.method} {_path(call.url)} cannot be read: {error}",
            fix="ask for less at once; if it happens again, the remote or something between has a fault",
        )

    # --- waiting and telling -----------------------------------------------------------------------

    def _patience(self, call: _Call) -> Callable[[_Again], bool]:
        """Waits and says go on, or says stop. Faults and limits count apart."""
        tries = {True: 1, False: 1}

        def wait_or_stop(error: _Again) -> bool:
            most, first = (_LIMIT_TRIES, _LIMIT_WAIT_S) if error.limit else (_FAULT_TRIES, _FAULT_WAIT_S)
            if tries[error.limit] >= most or (error.wait_s or 0) > MAX_WAIT_S:
                return False
            grown = min(first * 2 ** (tries[error.limit] - 1), 60.0)
            tries[error.limit] += 1
            wait_s = self._waiting.jittered(grown, 1.0)
            if error.wait_s is not None:
                # A little later than asked: the remote's seconds are whole ones, and many may be waiting.
                wait_s = error.wait_s + self._waiting.chance()
            log.info("%s: %s waits %.1f s: %s", self._whose, call.id, wait_s, error.last.what)
            self._waiting.sleep(wait_s)
            return True

        return wait_or_stop

    def _log(self, call: _Call, started: float, answer: str, correlation: str | None = None) -> None:
        if log.isEnabledFor(logging.INFO):
            ms = (self._waiting.now() - started) * 1000
            tail = f" [{correlation}]" if correlation else ""
            log.info(
                "%s: %s %s %s %s %.0f ms%s", self._whose, call.id, call.method, call.asked, answer, ms, tail
            )


class _Unreadable(Exception):
    """An answer that is no answer: too long, or packed in a way that hides how long it is."""


def _unpacked(response: httpx.Response) -> Iterator[bytes]:
    """The body in pieces of bounded size, whatever it unpacks to. Only what was asked for is unpacked: other
    packings, and one inside another, turn kilobytes into gigabytes within a single piece."""
    if response.is_stream_consumed:  # of a transport in memory
        yield response.content
        return
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in ("", "identity"):
        yield from response.iter_raw()
        return
    if packing not in ("gzip", "x-gzip"):
        raise _Unreadable("it is packed in a way that was not asked for")
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    begun = False
    try:
        for piece in response.iter_raw():
            begun = begun or bool(piece)
            while piece and not unpacker.eof:
                yield unpacker.decompress(piece, _PIECE)
                piece = unpacker.unconsumed_tail
    except zlib.error:
        raise _Unreadable("it is not packed as it says") from None
    if begun and not unpacker.eof:
        raise _Unreadable("it is cut off")


def _values_at_most(content: bytes) -> int:
    """How many values a JSON text can hold at most; 0 for one that is small anyway."""
    if len(content) <= COUNTED_BYTES:
        return 0
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def _path(url: str) -> str:
    return urlsplit(url).path or "/"


def _with_query(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return url
    return url + ("&" if urlsplit(url).query else "?") + urlencode(pairs, quote_via=quote)


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _retry_after(reply: HttpReply, now: float) -> float | None:
    """Seconds until the remote wants to be asked again; it says so in seconds or as a date."""
    text = reply.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = _http_date(text)
        if until is None:
            return None
        seconds = (until - (reply.date or datetime.fromtimestamp(now, UTC))).total_seconds()
    return max(seconds, 0.0) if seconds == seconds and seconds != float("inf") else None


def _certificate_fault(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _trusts_nobody() -> ssl.SSLContext:
    """For plain http, which has no use for one: no certificate would pass."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_context: ssl.SSLContext | None = None
_context_lock = threading.Lock()


def _ssl_context() -> ssl.SSLContext:
    """One for the process: reading the certificate authorities takes longer than a request."""
    import httpx

    global _context
    with _context_lock:
        if _context is None:
            _context = httpx.create_ssl_context()
        return _context
