"""The calls that tell of the organisation: modules, fields, layouts, people, currencies, taxes."""

from __future__ import annotations

from typing import Any

from syncline.connect.sandbox import Reply, Request, Route
from syncline_zoho.crm.sandbox.checks import parse_instant
from syncline_zoho.crm.sandbox.errors import Refused
from syncline_zoho.crm.sandbox.metadata import FieldMeta, ModuleMeta
from syncline_zoho.crm.sandbox.organisation import Organisation, stamp
from syncline_zoho.crm.sandbox.records import find_module
from syncline_zoho.crm.sandbox.render import Renderer

Row = dict[str, Any]


class Settings:
    def __init__(self, org: Organisation, renderer: Renderer) -> None:
        self._org = org
        self._renderer = renderer

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/crm/v8/settings/modules", self._modules),
            Route("GET", "/crm/v8/settings/modules/{module}", self._module),
            Route("GET", "/crm/v8/settings/fields", self._fields),
            Route("GET", "/crm/v8/settings/fields/{field}", self._field),
            Route("GET", "/crm/v8/settings/fields/{field}/pick_list_values", self._pick_list),
            Route("GET", "/crm/v8/settings/layouts", self._layouts),
            Route("GET", "/crm/v8/settings/related_lists", self._related_lists),
            Route("GET", "/crm/v8/org", self._org_reply),
            Route("GET", "/crm/v8/org/currencies", self._currencies),
            Route("GET", "/crm/v8/org/currencies/{id}", self._currency),
            Route("GET", "/crm/v8/org/taxes", self._taxes),
            Route("GET", "/crm/v8/users", self._users),
            Route("GET", "/crm/v8/users/{id}", self._user),
        ]

    def _modules(self, request: Request) -> Reply:
        if request.headers.get("if-modified-since"):
            return Reply(304)
        return Reply.json({"modules": [meta.body() for meta in self._org.meta.values()]})

    def _module(self, request: Request) -> Reply:
        wanted = request.params["module"]
        by_id = next((meta.name for meta in self._org.meta.values() if meta.id == wanted), wanted)
        return Reply.json({"modules": [find_module(self._org, by_id).body()]})

    def _asked(self, request: Request) -> ModuleMeta:
        name = request.one("module")
        if not name:
            raise Refused(
                400,
                "REQUIRED_PARAM_MISSING",
                "One of the expected parameter is missing",
                {"param_name": "module"},
            )
        return find_module(self._org, name)

    def _visible(self, request: Request) -> list[FieldMeta]:
        return [meta for meta in self._asked(request).fields.values() if not meta.hidden]

    def _fields(self, request: Request) -> Reply:
        kind = request.one("type", "used")
        if kind == "unused":
            return Reply(204)
        return Reply.json({"fields": [meta.body() for meta in self._visible(request)]})

    def _find_field(self, request: Request) -> FieldMeta:
        wanted = request.params["field"]
        for meta in self._visible(request):
            if wanted in (meta.id, meta.name):
                return meta
        raise Refused(400, "INVALID_DATA", "the id given seems to be invalid", {"resource_path_index": 2})

    def _field(self, request: Request) -> Reply:
        return Reply.json({"fields": [self._find_field(request).body()]})

    def _pick_list(self, request: Request) -> Reply:
        values = self._find_field(request).body()["pick_list_values"]
        return Reply.json({"pick_list_values": values}) if values else Reply(204)

    def _layouts(self, request: Request) -> Reply:
        module = self._asked(request)
        section_fields = [
            {**meta.body(), "required": meta.mandatory, "validation_rule": None}
            for meta in self._visible(request)
        ]
        layout = {
            "id": f"{module.id[:-3]}091",
            "api_name": "Standard",
            "name": "Standard",
            "display_label": "Standard",
            "status": "active",
            "visible": True,
            "generated_type": "system",
            "sections": [
                {
                    "api_name": f"{module.name}_Information",
                    "name": f"{module.name}_Information",
                    "display_label": f"{module.head['singular_label']} Information",
                    "sequence_number": 1,
                    "type": "used",
                    "fields": section_fields,
                }
            ],
            "profiles": [{"name": "Administrator", "id": "5725767000000325021"}],
        }
        return Reply.json({"layouts": [layout]})

    def _related_lists(self, request: Request) -> Reply:
        module = self._asked(request)
        others = {"Price_Books": "Products", "Products": "Price_Books"}
        if module.name not in others:
            return Reply(204)
        other = self._org.meta[others[module.name]]
        related = {
            "id": f"{module.id[:-3]}081",
            "api_name": other.name,
            "name": other.head["plural_label"],
            "display_label": other.head["plural_label"],
            "module": {"api_name": other.name, "id": other.id},
            "href": f"{module.name}/{{ENTITYID}}/{other.name}",
            "type": "default",
            "action": None,
            "sequence_number": "1",
        }
        return Reply.json({"related_lists": [related]})

    def _org_reply(self, request: Request) -> Reply:
        about, facts = self._org.about, self._org.facts
        home = next(c for c in facts["currencies"] if c["iso_code"] == about["currency"])
        return Reply.json(
            {
                "org": [
                    {
                        "id": facts["id"],
                        "zgid": facts["zgid"],
                        "company_name": about["name"],
                        "alias": None,
                        "country": "Australia" if about["country"] == "AU" else about["country"],
                        "country_code": about["country"],
                        "currency": home["name"].partition(" - ")[0],
                        "currency_symbol": home["symbol"],
                        "currency_locale": "en_AU",
                        "iso_code": about["currency"],
                        "time_zone": about["timezone"],
                        "mc_status": True,
                        "max_per_page": 200,
                        "primary_email": facts["users"][0]["email"],
                        "primary_zuid": facts["users"][0]["zuid"],
                        "type": "Production",
                        "privacy_settings": False,
                        "hipaa_compliance_enabled": False,
                        "created_time": self._renderer.instant(about["since"]),
                        "license_details": {
                            "paid": True,
                            "paid_type": "enterprise",
                            "users_license_purchased": 5,
                            "paid_expiry": self._renderer.instant("2035-01-01T00:00:00Z"),
                            "trial_type": None,
                            "trial_expiry": None,
                            "trial_action": None,
                        },
                    }
                ]
            }
        )

    def _currency_body(self, currency: Row) -> Row:
        about = self._org.about
        rate = self._org.rates.get(currency["iso_code"], "1")
        whole, _, part = rate.partition(".")
        by = self._renderer.user(self._org.actor)
        return {
            "id": currency["id"],
            "iso_code": currency["iso_code"],
            "name": currency["name"],
            "symbol": currency["symbol"],
            "exchange_rate": f"{whole}.{part:0<9}",
            "is_base": currency["iso_code"] == about["currency"],
            "is_active": bool(currency.get("is_active", True)),
            "prefix_symbol": True,
            "format": {"decimal_separator": "Period", "thousand_separator": "Comma", "decimal_places": "2"},
            "created_time": self._renderer.instant(about["since"]),
            "modified_time": self._renderer.instant(about["since"]),
            "created_by": by,
            "modified_by": by,
        }

    def _currencies(self, request: Request) -> Reply:
        return Reply.json({"currencies": [self._currency_body(c) for c in self._org.facts["currencies"]]})

    def _currency(self, request: Request) -> Reply:
        found = [c for c in self._org.facts["currencies"] if c["id"] == request.params["id"]]
        return Reply.json({"currencies": [self._currency_body(c) for c in found]}) if found else Reply(204)

    def _taxes(self, request: Request) -> Reply:
        return Reply.json(
            {
                "org_taxes": {
                    "taxes": self._org.taxes,
                    "preference": {"auto_populate_tax": False, "modify_tax_rates": True},
                }
            }
        )

    def _user_body(self, user: Row) -> Row:
        since = self._renderer.instant(self._org.about["since"])
        return {
            "id": user["id"],
            "zuid": user["zuid"],
            "first_name": user["first_name"],
            "last_name": user["last_name"],
            "full_name": f"{user['first_name']} {user['last_name']}",
            "email": user["email"],
            "status": "active",
            "confirm": True,
            "role": {"name": user["role"], "id": "5725767000000325031"},
            "profile": {"name": user["profile"], "id": "5725767000000325021"},
            "time_zone": self._org.about["timezone"],
            "locale": "en_AU",
            "created_time": since,
            "Modified_Time": since,
        }

    def _users(self, request: Request) -> Reply:
        since = request.headers.get("if-modified-since")
        if since is not None:
            found = parse_instant(since)
            if found is not None and stamp(found) >= self._org.about["since"]:
                return Reply(304)
        users = self._org.users
        if request.one("type") == "CurrentUser":
            users = users[:1]
        body = [self._user_body(user) for user in users]
        info = {"per_page": 200, "count": len(body), "page": 1, "more_records": False}
        return Reply.json({"users": body, "info": info})

    def _user(self, request: Request) -> Reply:
        user = self._org.user(request.params["id"])
        return Reply(204) if user is None else Reply.json({"users": [self._user_body(user)]})
