"""A loopback server that behaves like Xero: its login, identity and API hosts below one address.

Switches, settable while it runs:

===================== ======= ====================================================================
name                  default means
===================== ======= ====================================================================
rewrite               False   contact and item names are stored in capitals, spaces squeezed
cut                   0       contact and item names are cut to so many characters, without a word
noop_moves_updated    False   an update that changes nothing still moves UpdatedDateUTC
stock_moves_updated   False   a move of stock counts as a change of its item
refresh_grace         True    the previous refresh token works for 30 more minutes
day_limit             5000    calls a day and organisation
visibility_delay_s    0       lists without IDs show changes this many seconds late
ignore_modified_since False   If-Modified-Since is ignored: every list is whole
webhook_key           ""      the key of a webhook; while set, changes of contacts, invoices, bills and
                              credit notes are delivered
high_volume           100000  more records than this need paging and optimised fields
===================== ======= ====================================================================

``records`` and ``act`` use the field names of the API; days are ``YYYY-MM-DD`` and instants
``YYYY-MM-DDTHH:MM:SS.mmmZ`` there. They mean the first organisation; ``"<module>@2"`` means the second.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

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
from syncline_xero.events import sign
from syncline_xero.sandbox.documents import Documents
from syncline_xero.sandbox.hands import Hands
from syncline_xero.sandbox.ledger import Ledger
from syncline_xero.sandbox.limits import RateLimits, too_many
from syncline_xero.sandbox.oauth import (
    CLIENT_ID,
    CLIENT_SECRET,
    NAMESPACE,
    REDIRECT_URI,
    OAuthServer,
    token_expired,
)
from syncline_xero.sandbox.organisation import Organisation
from syncline_xero.sandbox.replays import Replays
from syncline_xero.sandbox.seed import seed_main, seed_other
from syncline_xero.sandbox.wire import Refusal, not_found, problem

API = "/api.xro/2.0"
_TENANTS = tuple(str(uuid.uuid5(NAMESPACE, f"organisation/{place}")) for place in (1, 2))

_SETTINGS = ("accounting.settings",)
_DOCUMENTS = ("accounting.invoices", "accounting.transactions")
#: the scopes any of which opens an endpoint; with ``.read`` for reading alone
_SCOPES = {
    "contacts": ("accounting.contacts",),
    "invoices": _DOCUMENTS,
    "creditnotes": _DOCUMENTS,
    "quotes": _DOCUMENTS,
    "purchaseorders": _DOCUMENTS,
    "items": (*_DOCUMENTS, *_SETTINGS),
    "payments": ("accounting.payments", "accounting.transactions"),
}

Handle = Callable[[Organisation, Request], Reply]


class XeroSandbox(Sandbox):
    """Xero in memory. The first organisation holds the seeded business, the second a small other one."""

    name = "xero"

    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings)
        self._known = self.tables.table("organisations")
        self._organisations: dict[str, Organisation] = {}
        self._events = 0
        self.oauth = OAuthServer(self.tables, self.clock, self.switches, self._tenants)
        self.limits = RateLimits(self.clock, self.switches, enforced=settings.limits)
        self.replays = Replays(self.tables.table("replays"), self.clock)
        for row in self._known:
            self._open(Ledger(self.tables, self.clock, row["id"]))

    def default_switches(self) -> Switches:
        return {
            "rewrite": False,
            "cut": 0,
            "noop_moves_updated": False,
            "stock_moves_updated": False,
            "refresh_grace": True,
            "day_limit": 5000,
            "visibility_delay_s": 0,
            "ignore_modified_since": False,
            "high_volume": 100_000,
            "webhook_key": "",
        }

    def _open(self, ledger: Ledger) -> None:
        self._organisations[ledger.tenant] = Organisation(ledger, self.clock, self.switches)
        ledger.contacts.listener = partial(self._deliver, ledger.tenant, "CONTACT")
        ledger.invoices.listener = partial(self._deliver, ledger.tenant, "INVOICE")
        ledger.credit_notes.listener = partial(self._deliver, ledger.tenant, "CREDITNOTE")

    def _deliver(self, tenant: str, category: str, record_id: str, new: bool) -> None:
        """One event a delivery, as Xero's documents have it (Webhooks, Overview); one webhook an
        application."""
        key = str(self.switches["webhook_key"])
        if not key:
            return
        self._events += 1
        place = {"CONTACT": "Contacts", "INVOICE": "Invoices", "CREDITNOTE": "CreditNotes"}[category]
        event: dict[str, Any] = {
            "resourceUrl": f"https://api.xero.com{API}/{place}/{record_id}",
            "resourceId": record_id,
            "eventDateUtc": self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3],
            "eventType": "CREATE" if new else "UPDATE",
            "eventCategory": category,
            "tenantId": tenant,
            "tenantType": "ORGANISATION",
        }
        if category == "CREDITNOTE":
            note = self._organisations[tenant].ledger.credit_notes.table.get(record_id) or {}
            event["data"] = {"Type": note.get("Type"), "Status": note.get("Status")}
        told = {"events": [event], "firstEventSequence": self._events, "lastEventSequence": self._events}
        body = json.dumps({**told, "entropy": uuid.uuid4().hex}).encode()
        self.deliveries.append(Delivery({"x-xero-signature": sign(key, body)}, body))

    def intent_to_receive(self) -> list[Delivery]:
        """What Xero sends to a new webhook: empty events, one rightly and one wrongly signed."""
        body = b'{"events": [], "firstEventSequence": 0, "lastEventSequence": 0, "entropy": "X"}'
        key = str(self.switches["webhook_key"])
        return [Delivery({"x-xero-signature": sign(by, body)}, body) for by in (key, f"not {key}")]

    def _tenants(self) -> list[tuple[str, str]]:
        return [(row["id"], row["name"]) for row in self._known]

    # --- the server -------------------------------------------------------------------------------

    def routes(self) -> Sequence[Route]:
        one, many = Organisation, self._accounting
        return [
            Route("GET", "/identity/connect/authorize", self.oauth.authorize),
            Route("POST", "/connect/token", self.oauth.token),
            Route("POST", "/connect/revocation", self.oauth.revoke),
            Route("GET", "/.well-known/openid-configuration", self._discovery),
            Route("GET", "/connections", self.oauth.list_connections),
            Route("DELETE", "/connections/{id}", self.oauth.delete_connection),
            many("GET", "/Contacts", one.list_contacts),
            many("PUT", "/Contacts", one.put_contacts),
            many("POST", "/Contacts", one.post_contacts),
            many("GET", "/Contacts/{id}", one.one_contact),
            many("POST", "/Contacts/{id}", one.post_contact),
            many("GET", "/Items", one.list_items),
            many("PUT", "/Items", one.put_items),
            many("POST", "/Items", one.post_items),
            many("GET", "/Items/{id}", one.one_item),
            many("POST", "/Items/{id}", one.post_item),
            many("DELETE", "/Items/{id}", one.delete_item),
            many("GET", "/Invoices", one.list_invoices),
            many("PUT", "/Invoices", one.put_invoices),
            many("POST", "/Invoices", one.post_invoices),
            many("GET", "/Invoices/{id}", one.one_invoice),
            many("POST", "/Invoices/{id}", one.post_invoice),
            many("POST", "/Invoices/{id}/Email", self._mail),
            *self._paperwork("/CreditNotes", "credit_notes", one.list_credit_notes, one.one_credit_note),
            many("PUT", "/CreditNotes/{id}/Allocations", one.put_allocations),
            many("DELETE", "/CreditNotes/{id}/Allocations/{allocation}", one.delete_allocation),
            *self._paperwork("/Quotes", "quotes", one.list_quotes, one.one_quote),
            *self._paperwork(
                "/PurchaseOrders", "purchase_orders", one.list_purchase_orders, one.one_purchase_order
            ),
            many("GET", "/Payments", one.list_payments),
            many("PUT", "/Payments", one.put_payments),
            many("POST", "/Payments", one.post_payments),
            many("GET", "/Payments/{id}", one.one_payment),
            many("POST", "/Payments/{id}", one.post_payment),
            many("GET", "/Accounts", one.list_accounts),
            many("GET", "/Accounts/{id}", one.one_account),
            many("GET", "/TaxRates", one.list_tax_rates),
            many("GET", "/TaxRates/{id}", one.one_tax_rate),
            many("GET", "/Currencies", one.list_currencies),
            many("GET", "/BrandingThemes", one.list_themes),
            many("GET", "/BrandingThemes/{id}", one.one_theme),
            many("GET", "/Organisation", one.show_organisation),
            many("GET", "/Organisation/Actions", one.list_actions),
            many("GET", "/Users", one.list_users),
            many("GET", "/Users/{id}", one.one_user),
            many("GET", "/TrackingCategories", one.list_tracking),
            many("PUT", "/TrackingCategories", one.put_tracking),
            many("GET", "/TrackingCategories/{id}", one.one_tracking),
            many("POST", "/TrackingCategories/{id}", one.post_tracking),
            many("DELETE", "/TrackingCategories/{id}", one.delete_tracking),
            many("PUT", "/TrackingCategories/{id}/Options", one.put_option),
            many("POST", "/TrackingCategories/{id}/Options/{option}", one.post_option),
            many("DELETE", "/TrackingCategories/{id}/Options/{option}", one.delete_option),
        ]

    def _paperwork(self, path: str, name: str, listed: Handle, single: Handle) -> list[Route]:
        """The endpoints that credit notes, quotes and purchase orders have alike."""

        def of(organisation: Organisation) -> Documents:
            documents: Documents = getattr(organisation, name)
            return documents

        return [
            self._accounting("GET", path, listed),
            self._accounting("PUT", path, lambda o, request: o.put_documents(of(o), request)),
            self._accounting("POST", path, lambda o, request: o.post_documents(of(o), request)),
            self._accounting("GET", f"{path}/{{id}}", single),
            self._accounting("POST", f"{path}/{{id}}", lambda o, request: o.post_document(of(o), request)),
        ]

    def _accounting(self, method: str, template: str, handle: Handle) -> Route:
        def handler(request: Request) -> Reply:
            tenant = self._tenant(request)
            if method != "GET" and method != "DELETE":
                replay = self.replays.known(request, tenant)
                if replay is not None:
                    return replay
            try:
                reply = handle(self._organisations[tenant], request)
            except Refusal as refusal:
                reply = refusal.reply
            if method != "GET" and method != "DELETE":
                self.replays.remember(request, tenant, reply)
            return reply

        return Route(method, API + template, handler)

    def _mail(self, organisation: Organisation, request: Request) -> Reply:
        """Sends an invoice to its customer (Xero API documentation, Invoices: Emailing an invoice)."""
        row = organisation.invoices.lookup(request.params["id"])
        if row is None:
            return not_found()
        self.effects["emails"] += 1
        return Reply(204)

    def _tenant(self, request: Request) -> str:
        """The organisation a request is about; its token has been checked."""
        named = request.headers.get("xero-tenant-id", "").lower()
        if named:
            return named
        access = self.oauth.access_of(request)
        return (access.tenant or "") if not isinstance(access, Reply) else ""

    def _discovery(self, request: Request) -> Reply:
        base = request.base_url
        return Reply.json(
            {
                "issuer": "https://identity.xero.com",
                "authorization_endpoint": f"{base}/identity/connect/authorize",
                "token_endpoint": f"{base}/connect/token",
                "revocation_endpoint": f"{base}/connect/revocation",
            }
        )

    def not_found(self, request: Request) -> Reply:
        return not_found()

    def guard(self, request: Request, template: str, in_flight: int) -> Reply | None:
        if not request.path.lower().startswith(API):
            return None
        access = self.oauth.access_of(request)
        if isinstance(access, Reply):
            return access
        tenant = self._tenant(request)
        bound = access.tenant in (None, tenant)
        if tenant not in self._organisations or not bound or not self.oauth.connected(tenant):
            return problem(403, "Forbidden", "AuthenticationUnsuccessful")
        refusal = self.limits.refusal(tenant, in_flight)
        if refusal is not None:
            return refusal
        area = request.path[len(API) :].strip("/").split("/")[0].lower()
        wanted = _SCOPES.get(area, _SETTINGS)
        reading = request.method == "GET"
        if not any(s in access.scopes or (reading and f"{s}.read" in access.scopes) for s in wanted):
            return problem(401, "Unauthorized", "AuthorizationUnsuccessful")
        if "application/json" not in request.headers.get("accept", ""):
            # The real API answers in XML then; the missing header must not go unnoticed here.
            return Reply.text("Only application/json is served: send the header Accept", 406)
        return None

    def finish(self, request: Request, reply: Reply) -> Reply:
        extra = {"Xero-Correlation-Id": str(uuid.uuid4())}
        tenant = self._tenant(request) if request.path.lower().startswith(API) else ""
        if tenant in self._organisations:
            extra |= self.limits.headers(tenant)
        return Reply(reply.status, reply.body, {**reply.headers, **extra})

    def remote_fault(self, name: str) -> Reply:
        tenant = _TENANTS[0]
        faults: dict[str, Callable[[], Reply]] = {
            "minute": lambda: too_many("minute", self.limits.until_next(tenant, 60)),
            "day": lambda: too_many("day", self.limits.until_next(tenant, 86_400)),
            "concurrent": lambda: too_many("concurrent", None),
            "appminute": lambda: too_many("appminute", self.limits.until_next(tenant, 60)),
            "token-expired": lambda: token_expired(self.clock.now() - timedelta(seconds=1)),
            "scope": lambda: problem(401, "Unauthorized", "AuthorizationUnsuccessful"),
            "disconnected": lambda: problem(403, "Forbidden", "AuthenticationUnsuccessful"),
            "unavailable": lambda: Reply.text("The Xero API is currently offline", 503),
            "organisation-offline": lambda: Reply.text(
                "The Organisation for this access token is not active", 503
            ),
        }
        return faults[name]()

    # --- the world --------------------------------------------------------------------------------

    def seed(self, world: World) -> None:
        ledgers = (
            seed_main(self.tables, self.clock, _TENANTS[0], world),
            seed_other(self.tables, self.clock, _TENANTS[1], world),
        )
        for ledger in ledgers:
            self._known.put(ledger.tenant, {"id": ledger.tenant, "name": ledger.organisation["Name"]})
            self._open(ledger)
        self.tables.save()

    def credentials(self) -> dict[str, Any]:
        return {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": REDIRECT_URI,
            "organisations": [{"id": tenant, "name": name} for tenant, name in self._tenants()],
        }

    def records(self, module: str) -> list[dict[str, Any]]:
        with self.lock:
            organisation, name = self._addressed(module)
            return Hands(organisation).records(name)

    def act(
        self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        with self.lock:
            organisation, name = self._addressed(module)
            row = Hands(organisation).act(action, name, record_id, values)
            self.tables.save()
            return row

    def _addressed(self, module: str) -> tuple[Organisation, str]:
        name, _, place = module.partition("@")
        return self._organisations[_TENANTS[int(place or 1) - 1]], name
