"""The relation of price books and products, with the price that a product has in a book.

Calls after Zoho CRM API v8, Related Records: lists want ``fields`` and tell ``list_price`` only when it is
asked for, an update of something that is not related yet relates it, a delete only parts the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncline.connect.sandbox import Reply, Request, Route
from syncline_zoho.crm.sandbox.checks import check_price
from syncline_zoho.crm.sandbox.errors import Refused, RowError
from syncline_zoho.crm.sandbox.gate import Gate
from syncline_zoho.crm.sandbox.metadata import ModuleMeta
from syncline_zoho.crm.sandbox.organisation import ENTRIES, Organisation
from syncline_zoho.crm.sandbox.paging import page_size, plain_page
from syncline_zoho.crm.sandbox.records import asked_fields, find_module, read_body
from syncline_zoho.crm.sandbox.render import Renderer

Row = dict[str, Any]
BOOKS, PRODUCTS = "Price_Books", "Products"
MAX_ROWS = 100
_OTHERS = {BOOKS: PRODUCTS, PRODUCTS: BOOKS}


class Relations:
    def __init__(self, org: Organisation, renderer: Renderer, gate: Gate) -> None:
        self._org = org
        self._renderer = renderer
        self._gate = gate

    def routes(self) -> list[Route]:
        paths = [f"/crm/v8/{module}/{{id}}/{other}" for module, other in _OTHERS.items()]
        return [
            route
            for path in paths
            for route in (
                Route("GET", path, self._list),
                Route("PUT", path, self._relate),
                Route("DELETE", path, self._part),
                Route("PUT", f"{path}/{{other}}", self._relate),
                Route("DELETE", f"{path}/{{other}}", self._part),
            )
        ]

    # --- people -------------------------------------------------------------------------------------

    def replace(self, book: Row, entries: Sequence[Mapping[str, Any]]) -> Row:
        """What a person makes of a book's products; raises :class:`RowError`."""
        held = {}
        for place, entry in enumerate(entries):
            product = str(entry["id"])
            if self._org.find(PRODUCTS, product) is None:
                raise _unknown(f"$.Products[{place}]", product)
            held[product] = check_price(entry.get("list_price"), f"$.Products[{place}]")
        return self._keep(book, held, self._org.person)

    def _keep(self, book: Row, entries: Mapping[str, Any], by: str) -> Row:
        row = {**book, ENTRIES: dict(entries)}
        if self._org.switches["entries_move_time"]:
            row |= {"Modified_Time": self._org.stamp(), "Modified_By": by}
        self._org.put(BOOKS, row)
        return row

    # --- calls --------------------------------------------------------------------------------------

    def _ends(self, request: Request) -> tuple[ModuleMeta, ModuleMeta, Row]:
        """The module of the path, the one it is related to, and the record."""
        parts = request.path.split("/")
        module, other = find_module(self._org, parts[3]), find_module(self._org, parts[5])
        row = self._org.find(module.name, request.params["id"])
        if row is None:
            raise Refused(
                400,
                "INVALID_DATA",
                "the id given seems to be invalid",
                {"resource_path_index": 1, "id": request.params["id"]},
            )
        return module, other, row

    def _related(self, module: ModuleMeta, row: Row) -> list[tuple[Row, Any]]:
        """The related records, each with its price, in the order of their ids."""
        if module.name == BOOKS:
            found = [(self._org.find(PRODUCTS, p), price) for p, price in self._org.entries(row).items()]
        else:
            books = self._org.stores[BOOKS].live
            found = [(b, b[ENTRIES][row["id"]]) for b in books if row["id"] in (b.get(ENTRIES) or {})]
        pairs = [(related, price) for related, price in found if related is not None]
        return sorted(pairs, key=lambda pair: str(pair[0]["id"]))

    def _list(self, request: Request) -> Reply:
        module, other, row = self._ends(request)
        names = asked_fields(request)
        per_page, number = page_size(request.one("per_page")), plain_page(request.one("page"))
        pairs = self._related(module, row)
        page = pairs[(number - 1) * per_page : number * per_page]
        if not page:
            return Reply(204)
        shown = [name for name in names if name in other.listed and name != "id"]
        rows = []
        for related, price in page:
            told = self._renderer.values(other, related, shown, cut=True, slim=False)
            told["id"] = related["id"]
            if "list_price" in names:
                told["list_price"] = price
            rows.append(told)
        info = {
            "per_page": per_page,
            "count": len(rows),
            "page": number,
            "more_records": len(pairs) > number * per_page,
        }
        return Reply.json({"data": rows, "info": info})

    def _relate(self, request: Request) -> Reply:
        module, other, row = self._ends(request)
        rows = read_body(request).get("data")
        if not isinstance(rows, list) or not rows:
            raise Refused(
                400,
                "MANDATORY_NOT_FOUND",
                "required field not found",
                {"api_name": "data", "json_path": "$.data"},
            )
        if len(rows) > MAX_ROWS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"limit": MAX_ROWS, "json_path": "$.data"})
        self._gate.charge((len(rows) + 9) // 10 - 1)
        one = request.params.get("other")

        def relate(given: Any, path: str) -> Row:
            if not isinstance(given, dict):
                raise RowError(
                    "INVALID_DATA", "invalid data", {"expected_data_type": "jsonobject", "json_path": path}
                )
            related = str(one or given.get("id") or "")
            if self._org.find(other.name, related) is None:
                raise _unknown(path, related)
            self._set(module, row["id"], related, check_price(given.get("list_price"), path))
            return _success("relation added", related)

        return self._reply([_judge(relate, each, place) for place, each in enumerate(rows)])

    def _part(self, request: Request) -> Reply:
        module, _, row = self._ends(request)
        one = request.params.get("other")
        ids = [one] if one else [i for i in (request.one("ids", "") or "").split(",") if i]
        if not ids:
            raise Refused(
                400,
                "REQUIRED_PARAM_MISSING",
                "One of the expected parameter is missing",
                {"param_name": "ids"},
            )
        if len(ids) > MAX_ROWS:
            raise Refused(400, "LIMIT_EXCEEDED", "limit exceeded", {"param_name": "ids", "limit": MAX_ROWS})

        def part(related: Any, path: str) -> Row:
            book, product = self._pair(module, row["id"], str(related))
            held = dict((self._org.find(BOOKS, book) or {}).get(ENTRIES) or {})
            if product not in held:
                raise RowError("INVALID_DATA", "record not deleted", {"id": str(related)})
            self._set(module, row["id"], str(related), None)
            return _success("relation removed", str(related))

        return self._reply([_judge(part, related, place) for place, related in enumerate(ids)])

    def _pair(self, module: ModuleMeta, record_id: str, related: str) -> tuple[str, str]:
        return (record_id, related) if module.name == BOOKS else (related, record_id)

    def _set(self, module: ModuleMeta, record_id: str, related: str, price: Any) -> None:
        book_id, product = self._pair(module, record_id, related)
        book = self._org.stores[BOOKS].live.get(book_id)
        assert book is not None, "looked up by the caller"
        held = {other: known for other, known in (book.get(ENTRIES) or {}).items() if other != product}
        self._keep(book, held if price is None else {**held, product: price}, self._org.actor)

    def _reply(self, judged: Sequence[tuple[Row, bool]]) -> Reply:
        good = sum(stored for _, stored in judged)
        status = 200
        if not good:
            status = int(self._org.switches["all_failed_status"])
        elif good < len(judged):
            status = int(self._org.switches["mixed_status"])
        return Reply.json({"data": [row for row, _ in judged]}, status)


def _judge(one: Callable[[Any, str], Row], given: Any, place: int) -> tuple[Row, bool]:
    try:
        return one(given, f"$.data[{place}]"), True
    except RowError as error:
        return error.body(), False


def _unknown(path: str, record_id: str) -> RowError:
    return RowError(
        "INVALID_DATA",
        "the related id given seems to be invalid",
        {"id": record_id, "api_name": "id", "json_path": f"{path}.id"},
    )


def _success(message: str, record_id: str) -> Row:
    return {"code": "SUCCESS", "details": {"id": record_id}, "message": message, "status": "success"}
