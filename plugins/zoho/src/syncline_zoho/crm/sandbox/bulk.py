"""Bulk read: a job that is polled, and a ZIP of one CSV in the end.

After Zoho CRM API v8, Bulk Read: states ADDED, QUEUED, IN PROGRESS, COMPLETED; 200,000 rows a job; no
``fields`` means all; ``id`` is always there; lookups are ids; a file lives for a day.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from syncline.connect.sandbox import Reply, Request, Route
from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.errors import Refused
from syncline_zoho.crm.sandbox.gate import Gate, too_many
from syncline_zoho.crm.sandbox.metadata import ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, stamp
from syncline_zoho.crm.sandbox.records import find_module, read_body
from syncline_zoho.crm.sandbox.render import Renderer

Row = dict[str, Any]
Test = Callable[[Row], bool]
PER_PAGE = 200_000
CREDITS = 50
DOWNLOADS_A_MINUTE = 10
FILE_LIFE_S = 86_400
#: seconds after which a job is in the next state
_STATES = ((0, "ADDED"), (1, "QUEUED"), (2, "IN PROGRESS"), (4, "COMPLETED"))
_COMPARES: Mapping[str, Callable[[Any, Any], bool]] = {
    "equal": lambda found, wanted: found == wanted,
    "not_equal": lambda found, wanted: found != wanted,
    "in": lambda found, wanted: found in wanted,
    "not_in": lambda found, wanted: found not in wanted,
    "less_than": lambda found, wanted: found < wanted,
    "less_equal": lambda found, wanted: found <= wanted,
    "greater_than": lambda found, wanted: found > wanted,
    "greater_equal": lambda found, wanted: found >= wanted,
    "between": lambda found, wanted: wanted[0] <= found <= wanted[1],
    "contains": lambda found, wanted: wanted in found,
    "starts_with": lambda found, wanted: found.startswith(wanted),
    "ends_with": lambda found, wanted: found.endswith(wanted),
}


class BulkRead:
    def __init__(self, org: Organisation, renderer: Renderer, gate: Gate) -> None:
        self._org = org
        self._renderer = renderer
        self._gate = gate
        self._jobs: dict[str, Row] = {}
        self._downloads: list[float] = []

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/crm/bulk/v8/read", self._create),
            Route("GET", "/crm/bulk/v8/read/{id}", self._state),
            Route("GET", "/crm/bulk/v8/read/{id}/result", self._result),
        ]

    def _create(self, request: Request) -> Reply:
        query = read_body(request).get("query")
        if not isinstance(query, dict) or not isinstance(query.get("module"), dict):
            raise Refused(400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "query"})
        module = find_module(self._org, str(query["module"].get("api_name")))
        if module.parent is not None:
            raise Refused(400, "NOT_SUPPORTED", "the module does not support bulk read")
        names = query.get("fields") or module.listed
        unknown = [name for name in names if name not in module.fields]
        if unknown:
            raise Refused(400, "INVALID_DATA", "invalid data", {"api_name": unknown[0]})
        test = make_test(module, query["criteria"]) if query.get("criteria") else None
        self._gate.charge(CREDITS - 1)
        rows = [row for row in self._org.stores[module.name].lists.rows.values() if test is None or test(row)]
        job_id = self._org.new_id()
        job: Row = {
            "id": job_id,
            "operation": "read",
            "module": module,
            "names": list(dict.fromkeys(["id", *names])),
            "rows": rows,
            "page": int(query.get("page") or 1),
            "created": self._org.clock.timestamp(),
            "created_time": self._org.stamp(),
        }
        self._jobs[job_id] = job
        details = {**self._told(job), "state": "ADDED"}
        row = {"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully."}
        return Reply.json({"data": [{**row, "details": details}], "info": {}}, 201)

    def _told(self, job: Row) -> Row:
        return {
            "id": job["id"],
            "operation": "read",
            "created_by": self._renderer.user(self._org.actor),
            "created_time": self._renderer.instant(job["created_time"]),
        }

    def _find(self, request: Request) -> Row:
        job = self._jobs.get(request.params["id"])
        if job is None:
            raise Refused(
                404,
                "RESOURCE_NOT_FOUND",
                "The requested resource doesn't exist.",
                {"id": request.params["id"]},
            )
        return job

    def _state_of(self, job: Row) -> str:
        age = self._org.clock.timestamp() - job["created"]
        return [state for after, state in _STATES if age >= after][-1]

    def _page(self, job: Row) -> list[Row]:
        start = (job["page"] - 1) * PER_PAGE
        rows: list[Row] = job["rows"]
        return rows[start : start + PER_PAGE]

    def _state(self, request: Request) -> Reply:
        job = self._find(request)
        body = {
            **self._told(job),
            "state": self._state_of(job),
            "query": {
                "module": {"api_name": job["module"].name},
                "page": job["page"],
                "fields": job["names"],
            },
            "file_type": "csv",
        }
        if body["state"] == "COMPLETED":
            body["result"] = {
                "page": job["page"],
                "per_page": PER_PAGE,
                "count": len(self._page(job)),
                "more_records": len(job["rows"]) > job["page"] * PER_PAGE,
                "download_url": f"/crm/bulk/v8/read/{job['id']}/result",
            }
        return Reply.json({"data": [body]})

    def _result(self, request: Request) -> Reply:
        job = self._find(request)
        now = self._org.clock.timestamp()
        if self._state_of(job) != "COMPLETED" or now - job["created"] > FILE_LIFE_S:
            raise Refused(
                404, "RESOURCE_NOT_FOUND", "The requested resource doesn't exist.", {"id": job["id"]}
            )
        self._downloads = [at for at in self._downloads if at > now - 60]
        if self._gate.limits and len(self._downloads) >= DOWNLOADS_A_MINUTE:
            return too_many()
        self._downloads.append(now)
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{job['id']}.csv", self._csv(job))
        headers = {
            "Content-Type": "application/zip",
            "Content-Disposition": f'attachment; filename="{job["id"]}.zip"',
        }
        return Reply(200, content.getvalue(), headers)

    def _csv(self, job: Row) -> str:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(job["names"])
        module: ModuleMeta = job["module"]
        for row in self._page(job):
            writer.writerow([self._cell(module, name, row.get(name)) for name in job["names"]])
        return text.getvalue()

    def _cell(self, module: ModuleMeta, name: str, value: Any) -> str:
        if value is None:
            return ""
        if module.fields[name].data_type == "datetime":
            return self._renderer.instant(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return ";".join(str(item) for item in value)
        return str(value)


def make_test(module: ModuleMeta, criteria: Any) -> Test:
    """A job's criteria: one comparison, or a ``group`` joined by ``group_operator``."""
    if not isinstance(criteria, dict):
        raise Refused(400, "INVALID_DATA", "invalid data", {"api_name": "criteria"})
    if "group" in criteria:
        tests = [make_test(module, part) for part in criteria["group"]]
        if str(criteria.get("group_operator", "and")).lower() == "and":
            return lambda row: all(test(row) for test in tests)
        return lambda row: any(test(row) for test in tests)
    name = str((criteria.get("field") or {}).get("api_name"))
    compare = _COMPARES.get(str(criteria.get("comparator")))
    if name not in module.fields or compare is None:
        raise Refused(400, "INVALID_DATA", "invalid data", {"api_name": "criteria", "field": name})
    value = criteria.get("value")
    if value == "${EMPTY}":
        empty = criteria.get("comparator") == "equal"
        return lambda row: (row.get(name) is None) is empty
    wanted = [_known(v) for v in value] if isinstance(value, list) else _known(value)
    return lambda row: row.get(name) is not None and compare(_known(row[name]), wanted)


def _known(value: Any) -> Any:
    """A stored or wanted value in one form: instants as stored, numbers as numbers."""
    moment = parse_instant(value)
    if moment is not None:
        return stamp(moment)
    if isinstance(value, dict):
        return str(value.get("id"))
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
