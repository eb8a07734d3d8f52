"""The Zoho Books sandbox put together: accounts server, gate, two organisations, the doings of people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from msgspec.structs import replace

from syncline.connect.sandbox import Reply, Request, Route, Sandbox, SandboxSettings, Switches, World
from syncline_zoho.books.kinds import KINDS
from syncline_zoho.books.sandbox.errors import Refused, success
from syncline_zoho.books.sandbox.gate import A_DAY, ALL_SCOPES, ROOT, Gate, error, sends_mail
from syncline_zoho.books.sandbox.ledger import Ledger
from syncline_zoho.books.sandbox.organisation import ACTIVE, DOCUMENTS, LOOKUPS, Organisation
from syncline_zoho.books.sandbox.reference import show_organisation
from syncline_zoho.books.sandbox.seed import seed_main, seed_other
from syncline_zoho.sandbox import AccountsServer, Client

Row = dict[str, Any]
Call = Callable[[Organisation, Request], Reply]


class ZohoBooksSandbox(Sandbox):
    """Zoho Books API v3 of two organisations, with the same names and document numbers in both. Switches,
    with their defaults:

    ``plan`` "professional" (free, standard, premium): what may be asked for a day and at once;
    ``visibility_delay_s`` 0: how long lists go on showing what was before a write;
    ``ignore_filter`` False: lists pass over ``last_modified_time``;
    ``sorts_by_time`` False: every list can be sorted by ``last_modified_time``, though only contacts say so;
    ``tax_rounding`` "entity_level" (or "item_level"): once a document, or line by line;
    ``strict_mail`` True: a call that would send mail is refused. Such calls are counted as ``emails``.
    """

    name = "zoho-books"

    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings)
        facts = json.loads(files(__package__).joinpath("data/organisations.json").read_text("utf-8"))
        self._facts: Mapping[str, Any] = facts
        self.accounts = AccountsServer(
            settings,
            self.tables,
            Client(id=facts["client"]["id"], secret=facts["client"]["secret"]),
            known_scopes=("ZohoBooks", "AaaServer"),
            location="au",
        )
        self._gate = Gate(self.accounts, self.clock, limits=settings.limits)
        self.organisations = {
            told["id"]: Organisation(Ledger(self.tables, self.clock, told["id"], self.switches))
            for told in facts["organisations"]
        }

    @property
    def org(self) -> Organisation:
        """The organisation whose business it is."""
        return next(iter(self.organisations.values()))

    def default_switches(self) -> Switches:
        return {
            "plan": "professional",
            "visibility_delay_s": 0,
            "ignore_filter": False,
            "sorts_by_time": False,
            "tax_rounding": "entity_level",
            "strict_mail": True,
        }

    # --- requests ---------------------------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        """Fixed addresses before those with an id in the same place."""
        table: list[tuple[str, str, Call]] = [
            ("GET", "/itemdetails", Organisation.item_details),
            ("GET", "/settings/preferences/customfields", Organisation.list_fields),
            ("POST", "/contacts/contactpersons", Organisation.create_person),
            ("PUT", "/contacts/contactpersons/{id}", Organisation.update_person),
            ("DELETE", "/contacts/contactpersons/{id}", Organisation.delete_person),
            ("POST", "/contacts/contactpersons/{id}/primary", Organisation.make_primary),
            ("GET", "/contacts/{id}/contactpersons", Organisation.list_persons),
            ("GET", "/contacts/{id}/contactpersons/{person}", Organisation.one_person),
            ("GET", "/creditnotes/{id}/invoices", Organisation.list_credited),
            ("POST", "/creditnotes/{id}/invoices", Organisation.apply_credit),
            ("DELETE", "/creditnotes/{id}/invoices/{entry}", Organisation.take_back_credit),
        ]
        for name in (*ACTIVE, *DOCUMENTS, "customerpayments"):
            table += _of(name)
        for name in LOOKUPS:
            path = KINDS[name].path
            table += [("GET", path, _bound("list_all", name)), ("GET", f"{path}/{{id}}", _bound("one", name))]
        api = [Route(method, f"{ROOT}{path}", self._serving(call)) for method, path, call in table]
        organisations = Route("GET", f"{ROOT}/organizations", self._organisations)
        return [*self.accounts.routes(), organisations, *api]

    def _serving(self, call: Call) -> Callable[[Request], Reply]:
        def answer(request: Request) -> Reply:
            organisation = self.organisations[request.one("organization_id") or ""]
            try:
                return call(organisation, request)
            except Refused as refusal:
                return refusal.reply()

        return answer

    def _organisations(self, request: Request) -> Reply:
        shown = [show_organisation(o.ledger) for o in self.organisations.values()]
        return success("success", {"organizations": shown})

    def not_found(self, request: Request) -> Reply:
        known = any(
            route.params(method, request.path)
            for route in self.routes()
            for method in ("GET", "POST", "PUT", "DELETE")
        )
        if known:
            return error(37, "The HTTP method is not allowed for the requested resource", 405)
        return error(5, "Invalid URL Passed", 404)

    def guard(self, request: Request, template: str, in_flight: int) -> Reply | None:
        if not request.path.lower().startswith(ROOT):
            return None
        if sends_mail(request):
            self.effects["emails"] += 1
            if self.switches["strict_mail"]:
                return error(1, "This sandbox sends no mail: whoever asked for it wrote to a customer.", 400)
        return self._gate.refuse(request, self._ledger(request), in_flight, str(self.switches["plan"]))

    def finish(self, request: Request, reply: Reply) -> Reply:
        if not request.path.lower().startswith(ROOT):
            return reply
        ledger = self._ledger(request) or self.org.ledger
        headers = self._gate.headers(ledger, str(self.switches["plan"]))
        return replace(reply, headers={**headers, **reply.headers})  # a fault tells its own

    def _ledger(self, request: Request) -> Ledger | None:
        found = self.organisations.get(request.one("organization_id") or "")
        return None if found is None else found.ledger

    def remote_fault(self, name: str) -> Reply:
        """``minute``, ``concurrency``, ``day``: 429; ``token-expired``: 401; ``internal``: 500."""
        if name == "minute":
            return error(44, "For security reasons you have been blocked for some time.", 429)
        if name == "concurrency":
            return error(1070, "The maximum number of concurrent calls has been reached.", 429)
        if name == "day":
            reply = error(45, "You have exceeded the maximum number of calls for the day.", 429)
            spent = {
                "x-rate-limit-limit": str(A_DAY[str(self.switches["plan"])]),
                "x-rate-limit-remaining": "0",
                "x-rate-limit-reset": "38445",
            }
            return replace(reply, headers={**reply.headers, **spent})
        if name == "token-expired":
            return error(57, "You are not authorized to perform this operation", 401)
        if name == "internal":
            return error(1000, "Internal Error", 500)
        raise KeyError(name)

    # --- what the outside is told -----------------------------------------------------------------

    def seed(self, world: World) -> None:
        main, other = self.organisations.values()
        seed_main(main, world)
        seed_other(other, world)
        self.tables.save()

    def credentials(self) -> dict[str, Any]:
        """With a new grant token, good for one sign-in within a day, at every call."""
        with self.lock:
            grant_token = self.accounts.self_client_code(ALL_SCOPES)
            self.tables.save()
        return {
            "client_id": self._facts["client"]["id"],
            "client_secret": self._facts["client"]["secret"],
            "redirect_uri": self._facts["redirect_uri"],
            "grant_token": grant_token,
            "organisations": [
                {"id": o.ledger.organisation, "name": o.ledger.about["name"]}
                for o in self.organisations.values()
            ],
        }

    def records(self, module: str) -> list[Row]:
        """Of the first organisation, in the form of details; of another as ``ID/module``."""
        with self.lock:
            organisation, name = self._of(module)
            return organisation.records(name)

    def act(
        self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """``create``, ``update``, ``delete``; ``archive`` and ``restore`` contacts, items, price lists;
        ``void`` documents and ``mark`` them (``status``: sent, open, billed, accepted...); ``pay`` invoices
        and bills (``amount``, ``date``, ``payment_mode``); ``apply`` a credit note (``invoice_id``,
        ``amount``); ``lock`` and ``unlock`` documents; ``merge`` contacts (``into``: the one that stays);
        ``link`` contacts and items, as Zoho's own link with its CRM does (``zcrm_account_id``...);
        ``adjust-stock`` of an item; and in the set-up: ``organisation`` (``lock_date``), ``customfields``,
        and the look-ups. For another organisation: ``ID/module``."""
        with self.lock:
            organisation, name = self._of(module)
            told = dict(values)
            if name == "contacts" and record_id is not None:
                told.setdefault("contact_id", record_id)
            try:
                row = organisation.act(action, name, record_id or "", told)
            except Refused as refusal:
                raise ValueError(refusal.message) from None
            self.tables.save()
            return row

    def _of(self, module: str) -> tuple[Organisation, str]:
        named, slash, name = module.partition("/")
        return (self.organisations[named], name) if slash else (self.org, module)


def _bound(method: str, *names: str) -> Call:
    def call(organisation: Organisation, request: Request) -> Reply:
        reply: Reply = getattr(organisation, method)(*names, request)
        return reply

    return call


def _of(name: str) -> list[tuple[str, str, Call]]:
    """The addresses of one kind of record."""
    kind = KINDS[name]
    found: list[tuple[str, str, Call]] = [
        ("GET", kind.path, _bound("list_all", name)),
        ("POST", kind.path, _bound("create", name)),
        ("GET", f"{kind.path}/{{id}}", _bound("one", name)),
        ("PUT", f"{kind.path}/{{id}}", _bound("update", name)),
        ("DELETE", f"{kind.path}/{{id}}", _bound("delete", name)),
    ]
    if kind.upsert:
        found.append(("PUT", kind.path, _bound("upsert", name)))
    if name in ACTIVE:
        for status in ("active", "inactive"):
            found.append(("POST", f"{kind.path}/{{id}}/{status}", _bound("activate", name, status)))
    if name in DOCUMENTS:
        found.append(("POST", f"{kind.path}/{{id}}/status/{{call}}", _bound("move", name)))
    return found
