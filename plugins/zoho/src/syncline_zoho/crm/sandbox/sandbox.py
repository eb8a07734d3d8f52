"""The Zoho CRM sandbox put together: accounts server, gate, calls, seed, the doings of people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from syncline.connect.sandbox import (
    Delivery,
    Reply,
    Request,
    Route,
    Sandbox,
    SandboxSettings,
    Switches,
    World,
)
from syncline_zoho.crm.sandbox.batches import RecordWrites
from syncline_zoho.crm.sandbox.bulk import BulkRead
from syncline_zoho.crm.sandbox.errors import Refused, RowError, error_body
from syncline_zoho.crm.sandbox.gate import ALL_SCOPES, CREDITS, Gate, scope_mismatch, too_many
from syncline_zoho.crm.sandbox.metadata import ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation
from syncline_zoho.crm.sandbox.records import RecordReads
from syncline_zoho.crm.sandbox.relations import BOOKS, Relations
from syncline_zoho.crm.sandbox.render import Renderer
from syncline_zoho.crm.sandbox.seed import seed_world
from syncline_zoho.crm.sandbox.settings import Settings
from syncline_zoho.crm.sandbox.writes import AUTOMATIONS, Writer
from syncline_zoho.sandbox import AccountsServer, Client

Row = dict[str, Any]


class ZohoCrmSandbox(Sandbox):
    """Zoho CRM API v8 of one organisation. Switches, with their defaults:

    ``all_failed_status`` 400 (or 202), ``mixed_status`` 207 (or 200): statuses of writes;
    ``unknown_picklist`` refuse (or accept): values outside a picklist;
    ``utc_offset_minutes`` 600: the offset instants are shown with; ``zone`` "": an IANA zone instead;
    ``rewrite`` "" (trim, upper, or both): what is done to text before it is stored;
    ``cut`` 0: to how many characters it is cut, without a word;
    ``search_lag_s`` 60: how far search and count lag behind; ``visibility_delay_s`` 0: the same for lists
    and queries; ``credits`` 55,000: the daily allowance; ``workflow`` True: a rule that edits a record a
    second after any write that lets workflows run; ``restore_moves_time`` True; ``unknown_id`` 204 (or
    400): get by an unknown id; ``ignore_where`` False: a query's condition on Modified_Time is passed over;
    ``deleted_none`` 204 (or 304); ``coql_line_tax`` serve (or refuse); ``entries_move_time`` False: whether a
    changed price in a price book moves the book's time of change;
    ``notification_token`` "": while set, every change is delivered through the channel 1000001 with it.
    """

    name = "zoho-crm"

    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings)
        self.org = Organisation(settings, self.tables, self.switches)
        self.org.effects = self.effects
        facts = self.org.facts
        self.accounts = AccountsServer(
            settings,
            self.tables,
            Client(id=facts["client"]["id"], secret=facts["client"]["secret"]),
            known_scopes=("ZohoCRM", "ZohoSearch", "ZohoFiles", "AaaServer"),
            location="au",
        )
        self._gate = Gate(self.accounts, self.clock, self.org.scope_part, limits=settings.limits)
        self._renderer = Renderer(self.org)
        self._reads = RecordReads(self.org, self._renderer, self._gate)
        self._writes = RecordWrites(self.org, self._renderer, self._gate)
        self._settings = Settings(self.org, self._renderer)
        self._relations = Relations(self.org, self._renderer, self._gate)
        self._bulk = BulkRead(self.org, self._renderer, self._gate)
        self.org.listener = self._deliver

    def default_switches(self) -> Switches:
        return {
            "all_failed_status": 400,
            "mixed_status": 207,
            "unknown_picklist": "refuse",
            "utc_offset_minutes": 600,
            "zone": "",
            "rewrite": "",
            "cut": 0,
            "search_lag_s": 60,
            "visibility_delay_s": 0,
            "credits": CREDITS,
            "workflow": True,
            "restore_moves_time": True,
            "unknown_id": "204",
            "deleted_none": "204",
            "coql_line_tax": "serve",
            "ignore_where": False,
            "entries_move_time": False,
            "notification_token": "",
        }

    # --- requests ---------------------------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        """Settings before records: ``/org`` and ``/users`` are no modules."""
        api = [
            *self._bulk.routes(),
            *self._settings.routes(),
            *self._relations.routes(),
            *self._reads.routes(),
            *self._writes.routes(),
        ]
        for route in api:
            route.handler = _answering(route.handler)
        return [*self.accounts.routes(), *api]

    def not_found(self, request: Request) -> Reply:
        known = any(route.params(m, request.path) for route in self.routes() for m in ("GET", "POST"))
        if known:
            return Reply.json(
                error_body("INVALID_REQUEST_METHOD", "The http request method type is not a valid one"), 400
            )
        return Reply.json(
            error_body("INVALID_URL_PATTERN", "Please check if the URL trying to access is a correct one"),
            404,
        )

    def guard(self, request: Request, template: str, in_flight: int) -> Reply | None:
        self.org.catch_up()
        if not request.path.lower().startswith("/crm/"):
            return None
        return self._gate.refuse(request, in_flight, int(self.switches["credits"]))

    def finish(self, request: Request, reply: Reply) -> Reply:
        headers = {**reply.headers}
        if request.path.lower().startswith("/crm/"):
            headers.update(self._gate.headers(int(self.switches["credits"])))
        return replace(reply, headers=headers)

    def remote_fault(self, name: str) -> Reply:
        """``concurrency``, ``credits``: 429; ``token-expired``, ``scope``: 401; ``unavailable``: 500."""
        if name in ("concurrency", "credits"):
            return too_many()
        if name == "token-expired":
            return Reply.json(error_body("INVALID_TOKEN", "invalid oauth token"), 401)
        if name == "scope":
            return scope_mismatch()
        if name == "unavailable":
            return Reply.json(error_body("INTERNAL_ERROR", "Internal Server Error"), 500)
        raise KeyError(name)

    def _deliver(self, module: str, record_id: str, operation: str) -> None:
        token = self.switches["notification_token"]
        if not token:
            return
        told = {
            "server_time": int(self.clock.timestamp() * 1000) + len(self.deliveries),
            "module": module,
            "operation": operation,
            "ids": [record_id],
            "affected_fields": [],
            "channel_id": "1000001",
            "token": token,
            "resource_uri": f"https://www.zohoapis.com/crm/v2/{module}",
            "query_params": {},
        }
        self.deliveries.append(Delivery({"Content-Type": "application/json"}, json.dumps(told).encode()))

    # --- what the outside is told -----------------------------------------------------------------

    def seed(self, world: World) -> None:
        seed_world(self.org, world)
        self.tables.save()

    def credentials(self) -> dict[str, Any]:
        """With a new grant token, good for one sign-in within a day, at every call."""
        facts = self.org.facts
        with self.lock:
            grant_token = self.accounts.self_client_code(ALL_SCOPES)
            self.tables.save()
        return {
            "client_id": facts["client"]["id"],
            "client_secret": facts["client"]["secret"],
            "redirect_uri": facts["redirect_uri"],
            "grant_token": grant_token,
            "organisations": [{"id": facts["zgid"], "name": self.org.about["name"]}],
        }

    def records(self, module: str) -> list[Row]:
        """In wire form with lines and a price book's ``Products`` inlined; ``$state`` is live, recycle or
        permanent."""
        with self.lock:
            self.org.catch_up()
            store = self.org.stores[module]
            meta = self.org.meta[module]
            found = [{**self._whole(meta, row), "$state": "live"} for row in store.live]
            gone = [{**self._whole(meta, entry["row"]), "$state": entry["type"]} for entry in store.bin]
            return [*found, *gone]

    def _whole(self, meta: ModuleMeta, row: Row) -> Row:
        """A record in full, a price book with the products that stand in no reply of its own."""
        whole = self._renderer.full(meta, row)
        if meta.name == BOOKS:
            whole["Products"] = [
                {"id": product, "list_price": price} for product, price in self.org.entries(row).items()
            ]
        return whole

    def act(self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]) -> Row:
        """``create``, ``update``, ``delete``, ``restore`` (from the bin), ``permanently-delete``, ``merge``
        (value ``into``: the record that stays); the ``Products`` of a price book, each ``id`` and
        ``list_price``, are those it has from then on; and in the set-up: ``Currencies``, ``Taxes``,
        ``Organisation``, ``Fields``, ``Modules``."""
        with self.lock:
            self.org.catch_up()
            if module in ("Currencies", "Taxes", "Organisation", "Fields", "Modules"):
                return self.org.change_setting(action, module, record_id or "", values)
            meta = self.org.meta[module]
            if module not in self.org.stores:
                raise KeyError(module)
            row = self._act(action, meta, record_id or "", dict(values))
            self.tables.save()
            return self._whole(meta, row)

    def _act(self, action: str, meta: ModuleMeta, record_id: str, values: Row) -> Row:
        writer = Writer(self.org, self._renderer, self.org.person, AUTOMATIONS)
        known = self.org.find(meta.name, record_id)
        entries = values.pop("Products", None) if meta.name == BOOKS else None
        try:
            if action == "create":
                row = writer.insert(meta, values, "$")
                return row if entries is None else self._relations.replace(row, entries)
            if action == "restore":
                return self.org.restore(meta.name, record_id)
            if action == "permanently-delete":
                return self.org.forget(meta.name, record_id)
            if known is None:
                raise KeyError(record_id)
            if action == "update" and entries is not None:
                row = writer.update(meta, {**values, "id": record_id}, "$") if values else known
                return self._relations.replace(row, entries)
            if action == "update":
                return writer.update(meta, {**values, "id": record_id}, "$")
            if action == "merge":
                return self.org.merge(meta.name, record_id, str(values["into"]))
            if action == "delete":
                return self.org.remove(meta.name, record_id, self.org.person)
        except RowError as error:
            raise ValueError(f"{error.message}: {error.code} {error.details}") from None
        raise KeyError(action)


def _answering(handler: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
    """The handler, with a refusal turned into the remote's error reply."""

    def answer(request: Request) -> Reply:
        try:
            return handler(request)
        except Refused as refusal:
            return refusal.reply()

    return answer
