"""How the catalogue's fields are written down: one short word for each kind of field.

Names, types and lengths are those of Xero's published OpenAPI description of the Accounting API,
version 16.1; uniqueness and what is read-only follow its API documentation of each endpoint.
"""

from __future__ import annotations

from syncline.connect import Capabilities, Field, FieldType, Reference

#: Xero keeps an idempotency key for six minutes (Idempotent requests).
IDEMPOTENCY_S = 360
#: Xero advises about 50 elements a call (Requests and responses: size limits).
WRITE_BATCH = 50
#: A longer list of ids makes the address too long.
IDS_BATCH = 40

WRITABLE = Capabilities(
    create_batch=WRITE_BATCH,
    update_batch=WRITE_BATCH,
    read_ids_batch=IDS_BATCH,
    idempotency_s=IDEMPOTENCY_S,
    returns_stored=True,
)


def text(name: str, limit: int | None = None, *, label: str = "", unique: bool = False) -> Field:
    return Field(name=name, label=label, max_length=limit, unique=unique)


def ro(name: str, kind: FieldType = FieldType.TEXT, *fields: Field, label: str = "") -> Field:
    return Field(name=name, type=kind, label=label, read_only=True, fields=fields)


def choice(name: str, *choices: str, read_only: bool = False, label: str = "") -> Field:
    """One of an organisation's own codes, or of ``choices``, none of which stands for nothing."""
    return Field(
        name=name,
        type=FieldType.CHOICE,
        choices=choices or None,
        clearable=not choices,
        read_only=read_only,
        label=label,
    )


def decimal(
    name: str, places: int, *, read_only: bool = False, label: str = "", clearable: bool = False
) -> Field:
    """A number: null means "not sent", so that most of them stay once they are there."""
    return Field(
        name=name,
        type=FieldType.DECIMAL,
        places=places,
        read_only=read_only,
        label=label,
        clearable=clearable,
    )


def flag(name: str, label: str = "") -> Field:
    return Field(name=name, type=FieldType.BOOLEAN, label=label, clearable=False)


def group(name: str, *fields: Field, label: str = "", read_only: bool = False) -> Field:
    return Field(name=name, type=FieldType.OBJECT, fields=fields, label=label, read_only=read_only)


def day(name: str, label: str = "", *, required: bool = False) -> Field:
    """A calendar day."""
    return Field(name=name, type=FieldType.DATE, label=label, required=required)


def link(name: str, module: str, id_field: str, label: str, *more: Field, required: bool = False) -> Field:
    """Another record, meant by its id alone."""
    return Field(
        name=name,
        type=FieldType.REFERENCE,
        label=label,
        required=required,
        reference=Reference(module=module, path=id_field),
        fields=(Field(name=id_field), *more),
    )


LOOKUP = Capabilities(read_ids_batch=1000, incremental=False)
