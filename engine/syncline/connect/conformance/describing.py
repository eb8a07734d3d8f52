"""What a connector says of itself, checked without a call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from syncline.connect.conformance.promise import Broken, Case, Chapter, Level, expect
from syncline.connect.contract import Catalogue, Field, FieldType, RemoteModule

DESCRIBING = Chapter(Level.DESCRIBED)
#: Options of every system, which the engine itself knows.
_ENGINE_OPTIONS = {"connector", "base_url", "client_id", "client_secret", "organisation"}
#: A batch beyond this is a slip: no remote takes it in one call.
_LARGEST_BATCH = 10_000


@DESCRIBING.promise("name", "The connector has a name for specs, a title for people and a link to read on.")
def check_name(case: Case) -> None:
    connector = case.bench.connector
    expect(
        re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", connector.name) is not None,
        "a name of small letters, digits and hyphens",
        f"it is {connector.name!r}",
    )
    expect(bool(connector.title.strip()), "a title", "it is empty")
    expect(
        connector.documentation.startswith("https://"),
        "documentation to be an https address",
        f"it is {connector.documentation!r}",
    )
    sandbox = case.bench.sandbox.name
    expect(sandbox == connector.name, "the sandbox to bear the connector's name", f"it is {sandbox!r}")


@DESCRIBING.promise("options", "options_schema is a JSON Schema (2020-12) of the connector's own options.")
def check_options(case: Case) -> None:
    import jsonschema

    schema = case.bench.connector.options_schema
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise Broken("a valid schema", f"{error.json_path}: {error.message}") from error
    expect(schema.get("type") == "object", "a schema of an object", f"its type is {schema.get('type')!r}")
    expect(
        schema.get("additionalProperties") is False,
        "additionalProperties to be false, or a typing mistake in a spec would pass",
        f"it is {schema.get('additionalProperties')!r}",
    )
    clash = _ENGINE_OPTIONS & set(schema.get("properties", {}))
    expect(not clash, "no option that the engine itself has", f"there is {', '.join(sorted(clash))}")


@DESCRIBING.promise("catalogue", "The catalogue names modules and fields once, and it fits together.")
def check_catalogue(case: Case) -> None:
    catalogue = case.bench.connector.catalogue()
    _expect_sound(catalogue)
    again = case.bench.connector.catalogue()
    expect(catalogue == again, "the same catalogue each time it is asked for", "it changed")


@DESCRIBING.promise("sign-in-described", "oauth() describes a sign-in whose addresses follow base_url.")
def check_oauth(case: Case) -> None:
    oauth = case.bench.oauth()
    base = case.bench.server.base_url
    for name in ("authorize_url", "token_url", "revoke_url"):
        url = getattr(oauth, name)
        expect(
            url is None or url.startswith(base + "/"),
            f"{name} to lie below base_url when that is given",
            f"it is {url}",
        )
    expect(bool(oauth.grants), "a way to sign in", "grants is empty")
    expect(bool(oauth.scopes), "scopes to ask for", "there are none")
    expect(
        oauth.client_auth in ("basic", "body"),
        "client_auth to be 'basic' or 'body'",
        f"it is {oauth.client_auth!r}",
    )
    public = case.bench.connector.oauth({}, {})
    for name in ("authorize_url", "token_url"):
        url = getattr(public, name)
        expect(url.startswith("https://"), f"{name} of the real remote to be https", f"it is {url}")


@DESCRIBING.promise("limits", "The limits can be kept: at least one call at a time and a minute.")
def check_limits(case: Case) -> None:
    limits = case.bench.connector.limits
    expect(limits.concurrent >= 1, "at least one call at a time", f"concurrent is {limits.concurrent}")
    for name in ("per_minute", "per_day"):
        most = getattr(limits, name)
        expect(most is None or most >= 1, f"{name} to be None or at least 1", f"it is {most}")


def _expect_sound(catalogue: Catalogue) -> None:
    names = [module.name for module in catalogue.modules]
    expect(bool(names), "at least one module", "the catalogue is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    expect(not twice, "each module once", f"{', '.join(twice)} is there twice")
    expect(
        any(not module.lookup for module in catalogue.modules),
        "a module that can be synced",
        "all are look-ups",
    )
    for module in catalogue.modules:
        _expect_sound_batches(module)
        _expect_sound_fields(module.name, module.fields, catalogue)


def _expect_sound_batches(module: RemoteModule) -> None:
    can = module.capabilities
    for name, least in (("create_batch", 0), ("update_batch", 0), ("read_ids_batch", 1)):
        size = getattr(can, name)
        expect(
            least <= size <= _LARGEST_BATCH,
            f"{name} of {module.name} between {least} and {_LARGEST_BATCH}",
            f"it is {size}",
        )
    expect(
        can.idempotency_s >= 0, f"idempotency_s of {module.name} not below 0", f"it is {can.idempotency_s}"
    )
    expect(bool(module.fields), f"fields in {module.name}", "it has none")


def _expect_sound_fields(where: str, fields: Sequence[Field], catalogue: Catalogue) -> None:
    names = [field.name for field in fields]
    twice = sorted({name for name in names if names.count(name) > 1})
    expect(not twice, f"each field of {where} once", f"{', '.join(twice)} is there twice")
    for field in fields:
        for expected, seen in _flaws(field, catalogue):
            raise Broken(f"{expected} ({where}.{field.name})", seen)
        _expect_sound_fields(f"{where}.{field.name}", field.fields, catalogue)


def _flaws(field: Field, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    if field.required and field.read_only:
        yield "a required field to be writable", "it is read-only"
    if field.create_only and field.read_only:
        yield "a create-only field to be writable", "it is read-only"
    if field.max_length is not None and field.max_length < 1:
        yield "max_length to be at least 1", f"it is {field.max_length}"
    if field.places is not None and field.places < 0:
        yield "places not below 0", f"it is {field.places}"
    if field.choices is not None and len(set(field.choices)) != len(field.choices):
        yield "each choice once", "one is there twice"
    if field.type is FieldType.REFERENCE and field.reference is None and not field.read_only:
        yield "a reference to say where it points", "it does not"
    if field.reference is not None:
        if catalogue.module(field.reference.module) is None:
            yield "a reference to a module of the catalogue", f"it points to {field.reference.module!r}"
        if field.reference.by not in ("id", "key"):
            yield "a reference by 'id' or 'key'", f"it is by {field.reference.by!r}"
    if (field.item_id or field.item_key) and field.type is not FieldType.LIST:
        yield "item_id and item_key on lists alone", f"its type is {field.type.value}"
    if field.item_key and field.item_key not in {inner.name for inner in field.fields}:
        yield "item_key to be a field of the items", f"there is no {field.item_key!r}"


def check_discovered(catalogue: Catalogue) -> None:
    """The same rules for the modules of one organisation; raises Broken."""
    _expect_sound(catalogue)
