"""The calls that belong to a create or an update: a main person, a status, the applications of a credit note.

Each step is worked out from what is stored and what was asked, so that doing them again after a lost answer
does only what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from syncline.connect import Items
from syncline_zoho.books.catalogue import MOVES
from syncline_zoho.books.kinds import Kind

Values = Mapping[str, Any]


#: the field of a credit note with its applications
_SET_OFF = "invoices"


class Step(Struct, frozen=True, kw_only=True):
    """One call. ``field``: what of the record it sets; ``first``: before the record's own update, which the
    state it leaves would refuse."""

    method: str
    path: str
    json: Any = None
    field: str = ""
    first: bool = False


class Impossible(Exception):
    """What was asked cannot be reached from what is stored."""


def plan_steps(kind: Kind, record_id: str, asked: Values, stored: Values) -> list[Step]:
    """``asked``: the part of the write that takes calls of its own. Raises Impossible."""
    steps = []
    if asked.get("status") is not None:
        steps += _status(kind, record_id, str(asked["status"]), stored)
    if kind.name == "creditnotes" and _SET_OFF in asked:
        given = asked[_SET_OFF] or ()
        wanted = [item.values for item in given.items] if isinstance(given, Items) else given
        steps += _applications(kind, record_id, wanted, stored.get(_SET_OFF) or ())
    return steps


def person_step(person: str, body: Values) -> Step:
    """The call that changes one contact person and leaves the others of its contact alone."""
    return Step(method="PUT", path=f"/contacts/contactpersons/{quote(person, safe='')}", json=body)


def status_step(kind: Kind, record_id: str, status: str, *, first: bool = False) -> Step:
    """The call that leads to a status; raises Impossible where there is none."""
    call = kind.moves.get(status)
    if call is None:
        raise Impossible(
            f"no call of Zoho Books makes a {kind.noun.lower()} {status}: it gets there by itself"
        )
    return Step(
        method="POST",
        path=f"{kind.path}/{quote(record_id, safe='')}/status/{call}",
        field="status",
        first=first,
    )


def _status(kind: Kind, record_id: str, wanted: str, stored: Values) -> list[Step]:
    now = str(stored.get("status") or "")
    if wanted == now:
        return []
    if wanted == kind.void and any(stored.get(name) for name in ("payment_made", "credits_applied")):
        raise Impossible(
            f"the {kind.noun.lower()} has payments or credits, which a void would set free:"
            " that is for a person to do"
        )
    allowed = MOVES[kind.name].get(now)
    if allowed is not None and wanted not in allowed:
        raise Impossible(
            f"Zoho Books does not take a {kind.noun.lower()} from {now} to {wanted}"
            f" ({'from there to ' + ', '.join(allowed) if allowed else 'nothing follows'})"
        )
    # what is void takes no edit, so it is revived before its other values are written
    return [status_step(kind, record_id, wanted, first=now == kind.void)]


def _applications(kind: Kind, record_id: str, wanted: Sequence[Values], held: Sequence[Values]) -> list[Step]:
    """Applications have no update: one that changes is taken back and made anew."""
    base = f"{kind.path}/{quote(record_id, safe='')}/invoices"
    left = list(held)
    new = []
    for entry in wanted:
        kept = next((row for row in left if _same(entry, row)), None)
        if kept is not None:
            left.remove(kept)
        else:
            new.append({"invoice_id": entry.get("invoice_id"), "amount_applied": entry.get("amount")})
    steps = [
        Step(
            method="DELETE",
            path=f"{base}/{quote(str(row['creditnote_invoice_id']), safe='')}",
            field=_SET_OFF,
        )
        for row in left
    ]
    if new:
        steps.append(Step(method="POST", path=base, json={"invoices": new}, field=_SET_OFF))
    return steps


def _same(values: Values, row: Values) -> bool:
    return values.get("invoice_id") == row.get("invoice_id") and values.get("amount") == row.get("amount")
