"""Keeping secrets out of everything that is written down.

A secret is recognised by its value, once :func:`register` has been told of it, and by the name it
stands behind (``access_token``, ``Authorization``...), which also catches one that nobody registered.
"""

from __future__ import annotations

import html
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from msgspec import Struct

from syncline.printable import printable

MASK = "[hidden]"


class Untold(Struct, frozen=True):
    """A value with something in it that nobody is to read: its ``repr`` tells what it is, and no more."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


#: Shorter values are too common as ordinary text to be masked wherever they occur.
_SHORTEST = 8
#: Rotating tokens would otherwise pile up for as long as the process lives.
_MOST = 4_000

_NAMES = (
    r"access_token|refresh_token|id_token|grant_token|auth_token|client_secret|code_verifier"
    r"|password|passwd|api_key|apikey|secret|token|set-cookie|cookie"
)
_QUOTED = r"""\\?"[^"\\]*\\?"|'[^']*'"""
_BARE = r"""[^\s"'&,;}\]]+"""
#: name, an optional quote, ``:`` or ``=``, and the value: quoted, or up to a separator. The value of an
#: Authorization header has a scheme word before it.
_BY_NAME = re.compile(
    rf"""(?P<name>\b(?:{_NAMES})\b\\?["']?\s*[:=]\s*)(?:{_QUOTED}|{_BARE})"""
    rf"""|(?P<header>\bauthorization\b\\?["']?\s*[:=]\s*)(?:{_QUOTED}|(?:[A-Za-z][\w-]*[ ]+)?{_BARE})""",
    re.IGNORECASE,
)
_IN_QUERY = re.compile(r"(?P<name>[?&](?:code|state|sig|signature)=)[^&\s\"']+", re.IGNORECASE)


class Secrets:
    """The secret values that this process knows of."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lasting: dict[str, None] = {}
        self._all: tuple[str, ...] | None = ()
        self._lock = threading.Lock()

    def register(self, *values: str | None, lasting: bool = False) -> None:
        """Never show these again: as they are, or as they look in a URL, in JSON or on a web page. Short and
        empty ones are ignored. ``lasting``: not a token that others take the place of, so never forgotten."""
        with self._lock:
            for value in values:
                if not value or len(value) < _SHORTEST:
                    continue
                for form in _forms(value):
                    if lasting and form not in self._lasting:
                        self._lasting[form] = None
                        self._all = None
                    if lasting or form in self._lasting:
                        continue
                    if form in self._known:
                        self._known.move_to_end(form)
                        continue
                    self._known[form] = None
                    self._all = None
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
                self._all = None

    def redact(self, text: str) -> str:
        """The text with every known secret, and every value behind a secret's name, masked."""
        text = self.redact_values(text)
        text = _BY_NAME.sub(lambda m: (m["name"] or m["header"]) + MASK, text)
        return _IN_QUERY.sub(lambda m: m["name"] + MASK, text)

    def redact_values(self, text: str) -> str:
        """The text with every known secret masked: for JSON, which stays JSON, and for data, in which a
        field may well be called ``token``."""
        with self._lock:
            if self._all is None:
                self._all = (*self._lasting, *self._known)
            known = self._all
        # One by one: a pattern of all of them costs more to make, at each new token, than to do without.
        found = [(at, at + len(secret)) for secret in known if secret in text for at in _places(secret, text)]
        shown, end = [], 0
        for start, stop in sorted(found):
            if start >= end:
                shown += [text[end:start], MASK]
            end = max(end, stop)  # one that begins within another must not leave its tail behind
        return "".join([*shown, text[end:]])


def _places(secret: str, text: str) -> Iterator[int]:
    at = text.find(secret)
    while at >= 0:
        yield at
        at = text.find(secret, at + 1)


def _forms(value: str) -> set[str]:
    in_json = json.dumps(value)[1:-1]
    on_a_page = {html.escape(value), html.escape(value, quote=False)}
    return {value, quote(value, safe=""), quote_plus(value), in_json, in_json.replace("/", "\\/"), *on_a_page}


_secrets = Secrets()
register = _secrets.register
redact = _secrets.redact
redact_values = _secrets.redact_values


class RedactingFilter(logging.Filter):
    """Masks secrets in a log record and spells out what would steer a terminal: message, arguments, exception
    and stack. Put it on each handler, since a logger's own filters do not see the records of its children."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = printable(redact(record.getMessage()))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = printable(redact(record.exc_text))
        if record.stack_info:
            record.stack_info = printable(redact(record.stack_info))
        return True


def quiet_libraries() -> None:
    """Stop the libraries below us from logging whole URLs, headers and token replies."""
    for name in ("httpx", "httpcore", "oauthlib"):
        logger = logging.getLogger(name)
        if logger.level < logging.ERROR:
            logger.setLevel(logging.ERROR)
