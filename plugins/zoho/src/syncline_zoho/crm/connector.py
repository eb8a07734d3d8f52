"""The connector ``zoho-crm``: Zoho CRM, API v8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncline.connect import (
    Catalogue,
    Connection,
    Connector,
    Event,
    Limits,
    OAuth,
    Organisation,
    Session,
)
from syncline_zoho.crm.fields import LOOKUPS, standard_catalogue
from syncline_zoho.crm.standard import MODULES, SUBFORMS
from syncline_zoho.datacenters import DATA_CENTERS, DEFAULT
from syncline_zoho.oauth import make_oauth

if TYPE_CHECKING:
    from syncline.connect.sandbox import Sandbox, SandboxSettings

#: the least that reading, writing and settling need (Zoho CRM API v8, Scopes)
SCOPES = (
    *(f"ZohoCRM.modules.{name.lower().replace('_', '')}.ALL" for name in MODULES),
    "ZohoCRM.settings.ALL",
    "ZohoCRM.org.READ",
    "ZohoCRM.users.READ",
    "ZohoCRM.coql.READ",
)
#: one scope for all custom modules: asked for only by a spec that declares one
CUSTOM_SCOPE = "ZohoCRM.modules.custom.ALL"
_TAKEN = [*MODULES, *SUBFORMS, *(module.name for module in LOOKUPS)]
_TRIGGERS = ("workflow", "approval", "blueprint", "pathfinder", "orchestration")


class ZohoCrmConnector(Connector):
    name = "zoho-crm"
    title = "Zoho CRM"
    documentation = "https://www.zoho.com/crm/developer/docs/api/v8/"
    #: five calls at once, as the smallest edition allows; the daily credits differ by edition, so only
    #: the remote's own word on them counts
    limits = Limits(concurrent=5, day_left_header="x-api-credits-remaining")
    options_schema: Mapping[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "data_center": {
                "description": "Where the organisation lives: the ending of its Zoho address.",
                "enum": list(DATA_CENTERS),
                "default": DEFAULT,
            },
            "trigger": {
                "description": "Which automations of the CRM run on our writes. None by default: a workflow"
                " that edits what was just synced would be read back as a new edit.",
                "type": "array",
                "items": {"enum": list(_TRIGGERS)},
                "uniqueItems": True,
                "default": [],
            },
            "modules": {
                "type": "object",
                "description": "The organisation's custom modules that the spec uses, by API name"
                " (Setup > Developer Hub > APIs); their own fields are declared under fields.",
                "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$", "not": {"enum": _TAKEN}},
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "label": {"type": "string", "description": "Its name in the CRM's screens."}
                    },
                },
                "examples": [{"Payments": {}}],
            },
            "notification_token": {
                "type": "string",
                "description": "The token that a notification channel was opened with, as ${env:NAME}:"
                " deliveries are taken if they hold it.",
            },
            "notification_channel": {
                "type": "string",
                "description": "The channel's id; any when it is not set.",
            },
        },
    }

    def catalogue(self) -> Catalogue:
        return standard_catalogue()

    def catalogue_for(self, options: Mapping[str, Any]) -> Catalogue:
        return standard_catalogue(options.get("modules"))

    def oauth(self, options: Mapping[str, Any], callback: Mapping[str, str]) -> OAuth:
        scopes = (*SCOPES, CUSTOM_SCOPE) if options.get("modules") else SCOPES
        return make_oauth(options, callback, scopes)

    def open(self, connection: Connection) -> Session:
        from syncline_zoho.crm.session import ZohoCrmSession

        return ZohoCrmSession(connection)

    def events(
        self,
        options: Mapping[str, Any],
        organisation: Organisation,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Sequence[Event]:
        from syncline_zoho.crm.events import read_events

        return read_events(options, body)

    def sandbox(self, settings: SandboxSettings) -> Sandbox:
        from syncline_zoho.crm.sandbox import ZohoCrmSandbox

        return ZohoCrmSandbox(settings)
