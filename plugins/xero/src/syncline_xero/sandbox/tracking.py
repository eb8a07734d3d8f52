"""Tracking categories: the two ways in which an organisation sorts its lines.

Sources: Xero API documentation, Tracking Categories; its OpenAPI description 16.1. At most two are active
and four are kept; what a line has used is archived where it would be deleted. An option is meant by name or
by id; one that is not known is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.query import shape
from syncline_xero.sandbox.wire import Invalid, Row

SHAPE = shape("TrackingCategory", "TrackingCategoryID Name Status")
MAX_ACTIVE, MAX_KEPT = 2, 4
_STATES = ("ACTIVE", "ARCHIVED")


def tracked(ledger: Ledger, given: Iterable[Any], findings: Any) -> list[Row]:
    """The stored form of a line's ``Tracking``; faults go to ``findings.faults``."""
    out: dict[str, Row] = {}
    for entry in given:
        if not isinstance(entry, Mapping):
            raise TypeError("a tracking category was expected")
        category = _category(ledger, entry)
        if category is None or category["Status"] != "ACTIVE":
            findings.faults.append("The tracking category could not be found")
            continue
        option = _option(category, entry)
        if option is None or option["Status"] != "ACTIVE":
            findings.faults.append("The tracking option could not be found")
            continue
        if category["TrackingCategoryID"] in out:
            findings.faults.append("A line can have one option of a tracking category")
        out[category["TrackingCategoryID"]] = {
            "Name": category["Name"],
            "Option": option["Name"],
            "TrackingCategoryID": category["TrackingCategoryID"],
            "TrackingOptionID": option["TrackingOptionID"],
        }
    return list(out.values())


def _category(ledger: Ledger, entry: Mapping[str, Any]) -> Row | None:
    if entry.get("TrackingCategoryID"):
        return ledger.tracking.get(str(entry["TrackingCategoryID"]))
    found = ledger.tracking.find("name", str(entry.get("Name") or "").casefold())
    return found[0] if found else None


def _option(category: Row, entry: Mapping[str, Any]) -> Row | None:
    wanted = str(entry.get("TrackingOptionID") or "").lower()
    name = str(entry.get("Option") or "").casefold()
    for option in category["Options"]:
        if option["TrackingOptionID"] == wanted or (not wanted and option["Name"].casefold() == name):
            found: Row = option
            return found
    return None


class Tracking:
    """The tracking categories of one organisation."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.rows = ledger.tracking

    def create(self, element: Mapping[str, Any]) -> Row:
        kept = list(self.rows.table)
        if len(kept) >= MAX_KEPT or sum(r["Status"] == "ACTIVE" for r in kept) >= MAX_ACTIVE:
            raise Invalid("The maximum number of tracking categories has been reached", echo=element)
        row: Row = {
            "TrackingCategoryID": str(uuid.uuid4()),
            "Name": self._name(element, self.rows.table, "TrackingCategoryID", None),
            "Status": "ACTIVE",
            "Options": [],
        }
        self.rows.put(row)
        return row

    def update(self, row: Row, element: Mapping[str, Any]) -> Row:
        new = {**row, "Status": _status(row, element)}
        if element.get("Name"):
            new["Name"] = self._name(element, self.rows.table, "TrackingCategoryID", row)
        self.rows.put(new)
        return new

    def delete(self, row: Row) -> Row:
        if self._used(lambda t: t["TrackingCategoryID"] == row["TrackingCategoryID"]):
            new = {**row, "Status": "ARCHIVED"}
            self.rows.put(new)
            return new
        self.rows.delete(row["TrackingCategoryID"])
        return {**row, "Status": "DELETED"}

    def add_option(self, row: Row, element: Mapping[str, Any]) -> Row:
        option = {
            "TrackingOptionID": str(uuid.uuid4()),
            "Name": self._name(element, row["Options"], "TrackingOptionID", None),
            "Status": "ACTIVE",
        }
        self.rows.put({**row, "Options": [*row["Options"], option]})
        return option

    def change_option(self, row: Row, option: Row, element: Mapping[str, Any]) -> Row:
        new = {**option, "Status": _status(option, element)}
        if element.get("Name"):
            new["Name"] = self._name(element, row["Options"], "TrackingOptionID", option)
        self._put_option(row, new)
        return new

    def delete_option(self, row: Row, option: Row) -> Row:
        if self._used(lambda t: t["TrackingOptionID"] == option["TrackingOptionID"]):
            new = {**option, "Status": "ARCHIVED"}
            self._put_option(row, new)
            return new
        left = [o for o in row["Options"] if o["TrackingOptionID"] != option["TrackingOptionID"]]
        self.rows.put({**row, "Options": left})
        return {**option, "Status": "DELETED"}

    def option(self, row: Row, option_id: str) -> Row | None:
        return next((o for o in row["Options"] if o["TrackingOptionID"] == option_id.lower()), None)

    def _put_option(self, row: Row, new: Row) -> None:
        options = [new if o["TrackingOptionID"] == new["TrackingOptionID"] else o for o in row["Options"]]
        self.rows.put({**row, "Options": options})

    def _used(self, test: Any) -> bool:
        ledger = self.ledger
        return any(
            test(tracking)
            for rows in (ledger.invoices, ledger.credit_notes, ledger.quotes, ledger.purchase_orders)
            for row in rows.table
            for line in row["LineItems"]
            for tracking in line.get("Tracking") or ()
        )

    def _name(self, element: Mapping[str, Any], others: Iterable[Row], id_field: str, row: Row | None) -> str:
        name = str(element.get("Name") or "")
        if not name or len(name) > 100:
            raise Invalid("Name must have between 1 and 100 characters", echo=element)
        for other in others:
            same = row is not None and other[id_field] == row[id_field]
            if not same and other["Name"].casefold() == name.casefold():
                raise Invalid("Please enter a unique Name.", echo=element)
        return name


def _status(row: Row, element: Mapping[str, Any]) -> str:
    status = str(element.get("Status") or row["Status"])
    if status not in _STATES:
        raise Invalid("Status is not valid", echo=element)
    return status


def shown(row: Row, *, archived: bool) -> Row:
    """A category as it is listed: with archived options when they are asked for."""
    options = [o for o in row["Options"] if archived or o["Status"] == "ACTIVE"]
    return {**row, "Options": options}
