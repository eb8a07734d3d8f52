"""The fields of a remote module as one client's spec sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from syncline.connect.contract import Field, FieldType, Reference, RemoteModule
from syncline.mapping.paths import Path
from syncline.spec.model import DeclaredField


def with_declared(remote: RemoteModule, declared: Mapping[str, DeclaredField]) -> RemoteModule:
    """The catalogue's module with the spec's declared fields added, or laid over those of their name."""
    if not declared:
        return remote
    fields = {field.name: field for field in remote.fields}
    usual = _usual_reference(remote)
    for name, own in declared.items():
        changes: dict[str, Any] = {
            key: value
            for key in ("max_length", "required", "read_only", "unique", "choices")
            if (value := getattr(own, key)) is not None
        }
        if own.type is not None:
            changes["type"] = FieldType(own.type)
        field = replace(fields.get(name) or Field(name=name, custom=True), **changes)
        if field.type is FieldType.REFERENCE and field.reference is None:
            field = replace(field, reference=usual)
        fields[name] = field
    return replace(remote, fields=tuple(fields.values()))


def _usual_reference(remote: RemoteModule) -> Reference | None:
    """How the references of a remote module hold the other record's identity, where all of them do it alike.
    Its ``module`` is empty: a declared reference does not say where it points."""
    held = {
        (field.reference.path, field.reference.by)
        for field in remote.fields
        if field.type is FieldType.REFERENCE and field.reference is not None
    }
    if len(held) != 1:
        return None
    ((path, by),) = held
    return Reference(module="", path=path, by=by)


def field_at(remote: RemoteModule, path: Path) -> Field | None:
    """The field that a path leads to, ``None`` where the module has none; see :func:`stray_step`."""
    found = _walk(remote.fields, path)
    return found if isinstance(found, Field) else None


def stray_step(remote: RemoteModule, path: Path) -> tuple[int, tuple[str, ...]]:
    """For a path that leads nowhere: which step fails (from 0), and the names that could stand there."""
    found = _walk(remote.fields, path)
    assert not isinstance(found, Field)
    return found


def _walk(fields: tuple[Field, ...], path: Path) -> Field | tuple[int, tuple[str, ...]]:
    last = len(path.steps) - 1
    for depth, step in enumerate(path.steps):
        here = next((field for field in fields if field.name == step.name), None)
        names = tuple(field.name for field in fields)
        if here is None:
            return depth, names
        if (step.item_key is None) != (here.item_key is None) and depth < last:
            return depth, names
        if step.item_key is not None and step.item_key != here.item_key:
            return depth, names
        if depth == last:
            return here
        fields = here.fields
    raise AssertionError("a path has at least one step")
