"""The record calls that read: lists, one record, deleted, search, count, queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from syncline.connect.sandbox import Reply, Request, Route
from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.coql import parse
from syncline_zoho.crm.sandbox.errors import Refused
from syncline_zoho.crm.sandbox.gate import Gate
from syncline_zoho.crm.sandbox.metadata import RECORD_ONLY, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, stamp
from syncline_zoho.crm.sandbox.paging import MAX_BY_PAGE, PageTokens, page_number, page_size, plain_page
from syncline_zoho.crm.sandbox.query import Runner, credits_for
from syncline_zoho.crm.sandbox.render import Renderer
from syncline_zoho.crm.sandbox.search import make_search

Row = dict[str, Any]
MAX_FIELDS = 50
MAX_IDS = 100
_SORTS = ("id", "Created_Time", "Modified_Time")


def find_module(org: Organisation, name: str) -> ModuleMeta:
    meta = org.meta.get(name) or next((m for m in org.meta.values() if m.name.lower() == name.lower()), None)
    if meta is None:
        raise Refused(
            400, "INVALID_MODULE", "the module name given seems to be invalid", {"resource_path_index": 0}
        )
    return meta


def asked_fields(request: Request) -> list[str]:
    """The fields that a list is asked for: there is no list without them (Get Records)."""
    given = request.one("fields")
    if not given:
        raise Refused(
            400,
            "REQUIRED_PARAM_MISSING",
            "One of the expected parameter is missing",
            {"param_name": "fields"},
        )
    names = [name.strip() for name in given.split(",") if name.strip()]
    if len(names) > MAX_FIELDS:
        raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"param_name": "fields", "limit": MAX_FIELDS})
    return names


class RecordReads:
    def __init__(self, org: Organisation, renderer: Renderer, gate: Gate) -> None:
        self._org = org
        self._renderer = renderer
        self._gate = gate
        self._tokens = PageTokens(org.clock)
        self._runner = Runner(org, renderer)

    def routes(self) -> list[Route]:
        return [
            Route("POST", "/crm/v8/coql", self._coql),
            Route("GET", "/crm/v8/{module}", self._list),
            Route("GET", "/crm/v8/{module}/deleted", self._deleted),
            Route("GET", "/crm/v8/{module}/search", self._search),
            Route("GET", "/crm/v8/{module}/actions/count", self._count),
            Route("GET", "/crm/v8/{module}/actions/fetch_full_data", self._full_many),
            Route("GET", "/crm/v8/{module}/{id}/actions/fetch_full_data", self._full_one),
            Route("GET", "/crm/v8/{module}/{id}", self._one),
        ]

    # --- lists ------------------------------------------------------------------------------------

    def _fields(self, module: ModuleMeta, request: Request) -> list[str]:
        names = asked_fields(request)
        # unknown, hidden and subform names are left out without a word
        return [
            name
            for name in names
            if name in module.fields
            and module.fields[name].data_type not in RECORD_ONLY
            and not module.fields[name].hidden
            and name != "id"
        ]

    def _show(self, module: ModuleMeta, rows: Iterable[Row], names: list[str]) -> list[Row]:
        return [
            {**self._renderer.values(module, row, names, cut=True, slim=False), "id": row["id"]}
            for row in rows
        ]

    def _list(self, request: Request) -> Reply:
        module = find_module(self._org, request.params["module"])
        names = self._fields(module, request)
        per_page = page_size(request.one("per_page"))
        since = _modified_since(request)
        ids = request.one("ids")
        if ids is not None:
            return self._by_ids(module, ids, names, per_page)
        sort_by = request.one("sort_by", "id") or "id"
        order = request.one("sort_order", "desc") or "desc"
        if sort_by not in _SORTS or order not in ("asc", "desc"):
            raise Refused(
                400, "INVALID_DATA", "invalid sort", {"param_name": "sort_by", "supported": list(_SORTS)}
            )
        token = request.one("page_token")
        if token is not None and request.one("page") is not None:
            raise Refused(
                400,
                "AMBIGUITY_DURING_PROCESSING",
                "page and page_token cannot be given together",
                {"ambiguity_due_to": [{"param_name": "page"}, {"param_name": "page_token"}]},
            )
        params = self._bound_params(request)
        rows = self._walk(module, sort_by, descending=order == "desc", since=since)
        if token is not None:
            place = self._tokens.find(token, params)
            number, given = place.page + 1, place.given
            rows = self._walk(module, sort_by, descending=order == "desc", since=since, after=place.after)
        else:
            number = page_number(request.one("page"), per_page)
            given = (number - 1) * per_page
            rows = islice(rows, given, None)
        found = list(islice(rows, per_page + 1))
        if not found:
            return Reply(304) if since is not None and number == 1 else Reply(204)
        more = len(found) > per_page
        found = found[:per_page]
        info: Row = {
            "per_page": per_page,
            "count": len(found),
            "page": number,
            "sort_by": sort_by,
            "sort_order": order,
            "more_records": more,
            "next_page_token": None,
            "previous_page_token": None,
            "page_token_expiry": None,
        }
        if more:
            last = (found[-1].get("Modified_Time", ""), found[-1]["id"])
            next_token = self._tokens.issue(params, last, given + len(found), number)
            info["next_page_token"] = next_token
            expiry = stamp(datetime.fromtimestamp(self._tokens.expiry(next_token), UTC))
            info["page_token_expiry"] = self._renderer.instant(expiry)
        return Reply.json({"data": self._show(module, found, names), "info": info})

    @staticmethod
    def _bound_params(request: Request) -> tuple[tuple[str, str], ...]:
        bound = {k: v[0] for k, v in request.query.items() if k not in ("page", "page_token")}
        bound["if-modified-since"] = request.headers.get("if-modified-since", "")
        bound["module"] = request.params["module"].lower()
        return tuple(sorted(bound.items()))

    def _walk(
        self,
        module: ModuleMeta,
        sort_by: str,
        *,
        descending: bool,
        since: str | None,
        after: tuple[str, str] | None = None,
    ) -> Iterator[Row]:
        """Listed rows in order, those changed after ``since``, beyond the place ``after``."""
        if module.parent is not None and module.parent_field is not None:
            field = module.parent_field
            parents = self._org.stores[module.parent].lists.rows.values()
            lines = [line for parent in parents for line in parent.get(field) or []]
            rows: Iterator[Row] = iter(sorted(lines, key=lambda r: r["id"], reverse=descending))
            if after is not None:
                place = after[1]
                rows = (r for r in rows if (r["id"] < place if descending else r["id"] > place))
            return rows if since is None else (r for r in rows if r["Modified_Time"] > since)
        store = self._org.stores[module.name]
        view = store.lists
        start = 0 if since is None else view.since(since, inclusive=False)
        if sort_by == "Modified_Time":
            return store.walk_times(start, after=after, descending=descending)
        if since is None:
            return store.walk_ids(after=after[1] if after else None, descending=descending)
        ids = sorted((record_id for _, record_id in view.by_time[start:]), reverse=descending)
        last = after[1] if after is not None else None
        return (
            view.rows[record_id]
            for record_id in ids
            if last is None or (record_id < last if descending else record_id > last)
        )

    def _by_ids(self, module: ModuleMeta, ids: str, names: list[str], per_page: int) -> Reply:
        wanted = [record_id.strip() for record_id in ids.split(",") if record_id.strip()]
        if len(wanted) > MAX_IDS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"param_name": "ids", "limit": MAX_IDS})
        rows = [row for i in dict.fromkeys(wanted) if (row := self._org.find(module.name, i)) is not None]
        if not rows:
            return Reply(204)
        info = {"per_page": per_page, "count": len(rows), "page": 1, "more_records": False}
        return Reply.json({"data": self._show(module, rows[:per_page], names), "info": info})

    # --- one record -------------------------------------------------------------------------------

    def _one(self, request: Request) -> Reply:
        module = find_module(self._org, request.params["module"])
        row = self._org.find(module.name, request.params["id"])
        if row is None:
            return self._unknown(request.params["id"])
        shown = self._renderer.full(module, row)
        given = request.one("fields")
        if given:
            wanted = {"id", *given.split(",")}
            shown = {name: value for name, value in shown.items() if name in wanted or name.startswith("$")}
        hidden = {meta.name for meta in module.fields.values() if meta.hidden}
        return Reply.json({"data": [{k: v for k, v in shown.items() if k not in hidden}]})

    def _unknown(self, record_id: str) -> Reply:
        if self._org.switches["unknown_id"] == "400":
            raise Refused(400, "INVALID_DATA", "the id given seems to be invalid", {"id": record_id})
        return Reply(204)

    def _full_one(self, request: Request) -> Reply:
        return self._full(request, [request.params["id"]])

    def _full_many(self, request: Request) -> Reply:
        return self._full(request, [i for i in (request.one("ids", "") or "").split(",") if i])

    def _full(self, request: Request, ids: list[str]) -> Reply:
        module = find_module(self._org, request.params["module"])
        if not ids or len(ids) > MAX_IDS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"param_name": "ids", "limit": MAX_IDS})
        rich = [meta.name for meta in module.fields.values() if meta.rich]
        rows = [row for i in ids if (row := self._org.find(module.name, i)) is not None]
        if not rows:
            return Reply(204)
        return Reply.json(
            {"data": [{"id": row["id"], **{name: row.get(name) for name in rich}} for row in rows]}
        )

    # --- deleted, search, count, queries ----------------------------------------------------------

    def _deleted(self, request: Request) -> Reply:
        module = find_module(self._org, request.params["module"])
        if module.parent is not None:
            raise Refused(400, "NOT_SUPPORTED", "the module does not support this call")
        kind = request.one("type", "all")
        if kind not in ("all", "recycle", "permanent"):
            raise Refused(400, "INVALID_DATA", "invalid type", {"param_name": "type"})
        since = _modified_since(request)
        entries = [
            entry
            for entry in self._org.deleted(module.name)
            if (kind == "all" or entry["type"] == kind) and (since is None or entry["deleted_time"] >= since)
        ]
        per_page = page_size(request.one("per_page"))
        number = plain_page(request.one("page"))
        found = entries[(number - 1) * per_page : number * per_page]
        if not found:
            return Reply(304) if since is not None and not entries and _says_304(self._org) else Reply(204)
        rows = []
        for entry in found:
            row, permanent = entry["row"], entry["type"] == "permanent"
            rows.append(
                {
                    "id": row["id"],
                    "display_name": None if permanent else row.get(module.display_field),
                    "type": entry["type"],
                    "deleted_time": self._renderer.instant(entry["deleted_time"]),
                    "deleted_by": self._renderer.user(entry["deleted_by"]),
                    "created_by": None if permanent else self._renderer.user(row["Created_By"]),
                }
            )
        info = {
            "per_page": per_page,
            "count": len(rows),
            "page": number,
            "more_records": len(entries) > number * per_page,
        }
        return Reply.json({"data": rows, "info": info})

    def _search(self, request: Request) -> Reply:
        module = find_module(self._org, request.params["module"])
        if module.name not in self._org.stores:
            raise Refused(400, "NOT_SUPPORTED", "the module does not support search")
        test = make_search(module, {name: values[0] for name, values in request.query.items()})
        per_page = page_size(request.one("per_page"))
        number = page_number(request.one("page"), per_page)
        rows = self._org.stores[module.name].search.rows.values()
        found = list(islice(filter(test, rows), MAX_BY_PAGE))
        page = found[(number - 1) * per_page : number * per_page]
        if not page:
            return Reply(204)
        names = [name for name in module.listed if name != "id"]
        info = {
            "per_page": per_page,
            "count": len(page),
            "page": number,
            "more_records": len(found) > number * per_page,
        }
        return Reply.json({"data": self._show(module, page, names), "info": info})

    def _count(self, request: Request) -> Reply:
        module = find_module(self._org, request.params["module"])
        if module.name not in self._org.stores:
            raise Refused(400, "NOT_SUPPORTED", "the module does not support this call")
        rows = self._org.stores[module.name].search.rows.values()
        given = {name: values[0] for name, values in request.query.items() if name != "cvid"}
        if given and request.one("cvid"):
            raise Refused(
                400,
                "AMBIGUITY_DURING_PROCESSING",
                "Please use either Cvid or Search Params. Combination of both the params is not allowed",
                {"ambiguity_due_to": [{"param_name": "cvid"}]},
            )
        count = sum(1 for _ in filter(make_search(module, given), rows)) if given else len(rows)
        return Reply.json({"count": count})

    def _coql(self, request: Request) -> Reply:
        body = read_body(request)
        text = body.get("select_query")
        if not isinstance(text, str):
            raise Refused(
                400, "MANDATORY_NOT_FOUND", "required field not found", {"api_name": "select_query"}
            )
        query = parse(text)
        self._gate.charge(credits_for(query.limit) - 1)
        rows, more = self._runner.run(query)
        if not rows:
            return Reply(204)
        return Reply.json({"data": rows, "info": {"count": len(rows), "more_records": more}})


def read_body(request: Request) -> Mapping[str, Any]:
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "INVALID_DATA", "body", {"expected_data_type": "jsonobject"})
    return body


def _modified_since(request: Request) -> str | None:
    """``If-Modified-Since`` in stored form; an HTTP date is no instant here."""
    text = request.headers.get("if-modified-since")
    if text is None:
        return None
    found = parse_instant(text)
    if found is None:
        raise Refused(
            400,
            "INVALID_DATA",
            "invalid data",
            {"header": "If-Modified-Since", "expected_data_type": "datetime"},
        )
    return stamp(found)


def _says_304(org: Organisation) -> bool:
    return bool(org.switches["deleted_none"] == "304")
