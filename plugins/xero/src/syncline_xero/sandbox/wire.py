"""The form in which Xero writes JSON, and the errors it answers with.

Stored rows keep plain values: calendar days as ``YYYY-MM-DD``, instants as
``YYYY-MM-DDTHH:MM:SS.mmmZ``, money as ``Decimal``. This module turns them into what Xero sends
(Xero API documentation, Requests and responses: JSON responses and date formats).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from syncline.connect.sandbox import Reply

Row = dict[str, Any]

ZERO_ID = "00000000-0000-0000-0000-000000000000"
CENT = Decimal("0.01")

_MS_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_EPOCH = date(1970, 1, 1)


class Invalid(Exception):
    """One element is refused; ``messages`` in Xero's words, ``echo`` what is known of it by then."""

    def __init__(self, *messages: str, echo: Mapping[str, Any] | None = None) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages
        self.echo = dict(echo or {})


class Refusal(Exception):
    """The whole call is answered with ``reply``."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply.status))
        self.reply = reply


# --- numbers and days ----------------------------------------------------------------------------


def money(value: Decimal | int, step: Decimal = CENT) -> Decimal:
    """Rounded half away from zero, as tax and line amounts are. A whole one comes back from disk as int."""
    return Decimal(value).quantize(step, ROUND_HALF_UP)


def to_decimal(value: object, field: str) -> Decimal:
    """A number of a request; raises Invalid."""
    if isinstance(value, bool):
        raise Invalid(f"{field} must be a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Invalid(f"{field} must be a number") from None
    if not number.is_finite():
        raise Invalid(f"{field} must be a number")
    return number


def to_text(value: object) -> str:
    """A text of a request, numbers included; raises TypeError for a list or an object."""
    if isinstance(value, list | dict):
        raise TypeError("a text was expected")
    return str(value)


def to_day(value: object, field: str) -> str:
    """``YYYY-MM-DD`` from any of the forms that Xero takes; raises Invalid.

    A datetime with a zone is moved to UTC first, which can change the day: as the remote does.
    """
    text = str(value)
    found = _MS_DATE.fullmatch(text)
    if found:
        return datetime.fromtimestamp(int(found[1]) / 1000, UTC).date().isoformat()
    try:
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"{field} is not a valid date") from None
    return (instant.astimezone(UTC) if instant.tzinfo else instant).date().isoformat()


def stamp(instant: datetime) -> str:
    """The stored form of an instant: milliseconds, UTC."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


def since_of(header: str) -> datetime | None:
    """The instant of an If-Modified-Since header at whole seconds; ``None`` when it cannot be read.

    Takes ISO 8601 (without a zone: UTC) and the RFC 1123 form of HTTP.
    """
    try:
        instant = datetime.fromisoformat(header.strip())
    except ValueError:
        try:
            instant = parsedate_to_datetime(header)
        except ValueError:
            return None
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    return instant.replace(microsecond=0)


@lru_cache(maxsize=4096)
def wire_day(day: str) -> str:
    return f"/Date({(date.fromisoformat(day) - _EPOCH).days * 86_400_000}+0000)/"


def wire_instant(text: str) -> str:
    return f"/Date({round(datetime.fromisoformat(text).timestamp() * 1000)}+0000)/"


# --- elements ------------------------------------------------------------------------------------

_DAYS = {
    "Date": "DateString",
    "DueDate": "DueDateString",
    "ExpectedPaymentDate": "ExpectedPaymentDateString",
    "PlannedPaymentDate": "PlannedPaymentDateString",
    "FullyPaidOnDate": "",
    "ExpiryDate": "ExpiryDateString",
    "DeliveryDate": "DeliveryDateString",
    "ExpectedArrivalDate": "ExpectedArrivalDateString",
    "PeriodLockDate": "",
    "EndOfYearLockDate": "",
}
_INSTANTS = {"UpdatedDateUTC", "CreatedDateUTC"}


def to_wire(value: Any) -> Any:
    """A row as Xero sends it: nulls and private keys left out, days and instants as ``/Date(ms+0000)/``."""
    if isinstance(value, dict):
        out: Row = {}
        for name, item in value.items():
            if item is None or name[0] == "_":
                continue
            if name in _DAYS and isinstance(item, str):
                out[name] = wire_day(item)
                if _DAYS[name]:
                    out[_DAYS[name]] = f"{item}T00:00:00"
            elif name in _INSTANTS:
                out[name] = wire_instant(item)
            elif isinstance(item, dict | list):
                out[name] = to_wire(item)
            else:
                out[name] = item
        return out
    if isinstance(value, list):
        return [to_wire(item) for item in value]
    return value


def envelope(
    collection: str, rows: Sequence[Any], now: datetime, *, pagination: Mapping[str, int] | None = None
) -> Row:
    """What surrounds every collection; ``DateTimeUTC`` is the remote's clock."""
    body: Row = {
        "Id": str(uuid.uuid4()),
        "Status": "OK",
        "ProviderName": "Sandbox",
        "DateTimeUTC": f"/Date({int(now.timestamp() * 1000)})/",
    }
    if pagination is not None:
        body["pagination"] = dict(pagination)
    body[collection] = list(rows)
    return body


# --- errors --------------------------------------------------------------------------------------


def validation_failed(elements: Iterable[Row]) -> Reply:
    return Reply.json(
        {
            "ErrorNumber": 10,
            "Type": "ValidationException",
            "Message": "A validation exception occurred",
            "Elements": list(elements),
        },
        400,
    )


def bad_request(number: int, kind: str, message: str) -> Reply:
    return Reply.json({"ErrorNumber": number, "Type": kind, "Message": message}, 400)


def query_fault(message: str) -> Refusal:
    return Refusal(bad_request(16, "QueryParseException", message))


def problem(status: int, title: str, detail: str) -> Reply:
    """The shape of 401 and 403."""
    return Reply.json(
        {
            "Type": None,
            "Title": title,
            "Status": status,
            "Detail": detail,
            "Instance": str(uuid.uuid4()),
            "Extensions": {},
        },
        status,
    )


def not_found() -> Reply:
    return Reply.text("The resource you're looking for cannot be found", 404)
