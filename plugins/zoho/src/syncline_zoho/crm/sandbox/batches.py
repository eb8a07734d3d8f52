"""The record calls that write: batches of up to 100 rows, judged row by row.

Envelope, statuses and codes after Zoho CRM API v8, Insert, Update, Upsert and Delete Records. The
documents disagree on the status when all or some rows fail, so it can be switched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from syncline.connect.sandbox import Reply, Request, Route
from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.errors import Refused, RowError
from syncline_zoho.crm.sandbox.gate import Gate
from syncline_zoho.crm.sandbox.metadata import ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation
from syncline_zoho.crm.sandbox.records import find_module, read_body
from syncline_zoho.crm.sandbox.render import Renderer
from syncline_zoho.crm.sandbox.writes import TRIGGERS, Writer

Row = dict[str, Any]
MAX_ROWS = 100


class RecordWrites:
    def __init__(self, org: Organisation, renderer: Renderer, gate: Gate) -> None:
        self._org = org
        self._renderer = renderer
        self._gate = gate

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/crm/v8/{module}", self._insert),
            Route("PUT", "/crm/v8/{module}", self._update),
            Route("POST", "/crm/v8/{module}/upsert", self._upsert),
            Route("DELETE", "/crm/v8/{module}", self._delete),
            Route("PUT", "/crm/v8/{module}/{id}", self._update),
            Route("DELETE", "/crm/v8/{module}/{id}", self._delete),
        ]

    def _insert(self, request: Request) -> Reply:
        module, writer, rows, _ = self._open(request)

        def one(row: Row, path: str) -> Row:
            stored = writer.insert(module, row, path)
            return _success("record added", writer.details(stored))

        return self._reply([_judge(one, row, place) for place, row in enumerate(rows)], good=201)

    def _update(self, request: Request) -> Reply:
        module, writer, rows, _ = self._open(request)
        since = _unmodified_since(request)
        record_id = request.params.get("id")
        if record_id is not None:
            rows = [{**row, "id": record_id} if isinstance(row, dict) else row for row in rows[:1]]

        def one(row: Row, path: str) -> Row:
            stored = writer.update(module, row, path, since)
            return _success("record updated", writer.details(stored))

        return self._reply([_judge(one, row, place) for place, row in enumerate(rows)])

    def _upsert(self, request: Request) -> Reply:
        module, writer, rows, body = self._open(request)
        since = _unmodified_since(request)
        check_fields = _check_fields(module, body)

        def one(row: Row, path: str) -> Row:
            stored, action, by = writer.upsert(module, row, path, check_fields, since)
            message = "record added" if action == "insert" else "record updated"
            return {
                **_success(message, writer.details(stored)),
                "action": action,
                "duplicate_field": by,
            }

        return self._reply([_judge(one, row, place) for place, row in enumerate(rows)])

    def _delete(self, request: Request) -> Reply:
        module = self._module(request)
        one_id = request.params.get("id")
        ids = [one_id] if one_id else [i for i in (request.one("ids", "") or "").split(",") if i]
        if not ids:
            raise Refused(
                400,
                "REQUIRED_PARAM_MISSING",
                "One of the expected parameter is missing",
                {"param_name": "ids"},
            )
        if len(ids) > MAX_ROWS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"param_name": "ids", "limit": MAX_ROWS})
        writer = Writer(self._org, self._renderer, self._org.actor, ())
        if request.one("wf_trigger") != "false":
            self._org.effects["workflow"] += len(ids)

        def one(row: Row, path: str) -> Row:
            writer.delete(module, row["id"])
            return _success("record deleted", {"id": row["id"]})

        return self._reply([_judge(one, {"id": record_id}, place) for place, record_id in enumerate(ids)])

    # --- around the rows --------------------------------------------------------------------------

    def _module(self, request: Request) -> ModuleMeta:
        module = find_module(self._org, request.params["module"])
        if module.parent is not None:
            raise Refused(400, "NOT_SUPPORTED", "rows of a subform are written with their parent")
        return module

    def _open(self, request: Request) -> tuple[ModuleMeta, Writer, list[Row], Mapping[str, Any]]:
        module = self._module(request)
        body = read_body(request)
        rows = body.get("data")
        if rows is None:
            raise Refused(
                400,
                "MANDATORY_NOT_FOUND",
                "required field not found",
                {"api_name": "data", "json_path": "$.data"},
            )
        if not isinstance(rows, list) or not rows:
            raise Refused(
                400,
                "INVALID_DATA",
                "invalid data",
                {"api_name": "data", "json_path": "$.data", "expected_data_type": "jsonarray"},
            )
        if len(rows) > MAX_ROWS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": MAX_ROWS, "json_path": "$.data"})
        trigger = body.get("trigger")
        if trigger is not None and (
            not isinstance(trigger, list) or any(name not in TRIGGERS for name in trigger)
        ):
            raise Refused(
                400,
                "INVALID_DATA",
                "invalid data",
                {"api_name": "trigger", "supported_values": list(TRIGGERS)},
            )
        # 1 credit for every ten rows; the first was charged at the gate
        self._gate.charge((len(rows) + 9) // 10 - 1)
        sets_off = list(TRIGGERS if trigger is None else trigger)
        if {"name": "cadences"} not in (body.get("skip_feature_execution") or ()):
            sets_off.append("cadences")
        return module, Writer(self._org, self._renderer, self._org.actor, sets_off), rows, body

    def _reply(self, judged: Sequence[tuple[Row, int | None]], *, good: int = 200) -> Reply:
        bad = [status for _, status in judged if status is not None]
        status = good
        if bad and len(bad) < len(judged):
            status = int(self._org.switches["mixed_status"])
        elif bad:
            stale = all(code == 412 for code in bad)
            status = 412 if stale else int(self._org.switches["all_failed_status"])
        return Reply.json({"data": [row for row, _ in judged]}, status)


def _judge(one: Callable[[Row, str], Row], row: Any, place: int) -> tuple[Row, int | None]:
    path = f"$.data[{place}]"
    if not isinstance(row, dict):
        error = RowError(
            "INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path}
        )
        return error.body(), error.row_status
    try:
        return one(row, path), None
    except RowError as error:
        return error.body(), error.row_status


def _success(message: str, details: Row) -> Row:
    return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}


def _unmodified_since(request: Request) -> datetime | None:
    text = request.headers.get("if-unmodified-since")
    if text is None:
        return None
    found = parse_instant(text)
    if found is None:
        raise Refused(
            400,
            "INVALID_DATA",
            "invalid data",
            {"header": "If-Unmodified-Since", "expected_data_type": "datetime"},
        )
    return found


def _check_fields(module: ModuleMeta, body: Mapping[str, Any]) -> list[str] | None:
    given = body.get("duplicate_check_fields")
    if given is None:
        return None
    allowed = {*module.unique_fields, *([module.duplicate_field] if module.duplicate_field else [])}
    if not isinstance(given, list) or any(name not in allowed for name in given):
        raise Refused(
            400,
            "INVALID_DATA",
            "the field given is no duplicate check field",
            {"api_name": "duplicate_check_fields", "supported_values": sorted(allowed)},
        )
    return given
