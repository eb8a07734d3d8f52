"""A minimal tap of the Singer SDK over both ends: ``python singer_peer.py --config FILE [--state FILE]``.

The configuration has ``crm_url`` and ``books_url``; changes are asked for from the state's bookmark, as the
SDK's own templates do it.
"""

from __future__ import annotations

from typing import Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th

_OBJECT = th.ObjectType(additional_properties=True)


class _Stream(RESTStream[int]):
    primary_keys = ("id",)
    replication_key = "modified"
    is_sorted = True
    records_jsonpath = "$.records[*]"
    next_page_token_jsonpath = "$.next"
    end = ""

    @property
    def url_base(self) -> str:
        return str(self.config[f"{self.end}_url"])

    @property
    def path(self) -> str:
        return f"/{self.name}"

    def get_url_params(self, context: Any, next_page_token: int | None) -> dict[str, Any]:
        since = self.get_starting_replication_key_value(context)
        asked = {"page": next_page_token, "since": since}
        return {name: value for name, value in asked.items() if value is not None}


def _schema(texts: str, **others: Any) -> dict[str, Any]:
    rest = {"owner": _OBJECT, "created_by": _OBJECT, "shipping": _OBJECT, "description": th.StringType}
    rest |= {"tags": th.ArrayType(th.StringType), "custom_fields": th.ArrayType(_OBJECT)}
    typed = {**dict.fromkeys(texts.split(), th.StringType), **others, **rest}
    schema = th.PropertiesList(
        th.Property("id", th.StringType, required=True),
        th.Property("modified", th.DateTimeType),
        *(th.Property(name, kind) for name, kind in typed.items()),
    ).to_dict()
    assert isinstance(schema, dict)
    return schema


class Accounts(_Stream):
    name, end = "accounts", "crm"
    schema: ClassVar = _schema(
        "name email phone website tax_number country",
        address=_OBJECT,
        active=th.BooleanType,
        terms=th.IntegerType,
        credit=th.NumberType,
    )


class Customers(_Stream):
    name, end = "customers", "books"
    schema: ClassVar = _schema(
        "display_name email_address phone web tax country_code status payment_terms",
        billing=_OBJECT,
        credit_cents=th.IntegerType,
    )


class LoadTap(Tap):
    name = "tap-load"
    config_jsonschema = th.PropertiesList(
        th.Property("crm_url", th.StringType, required=True),
        th.Property("books_url", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[_Stream]:
        return [Accounts(self), Customers(self)]


if __name__ == "__main__":
    LoadTap.cli()
