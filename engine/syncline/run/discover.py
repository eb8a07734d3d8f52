"""Discover: the remote modules and fields of a system, live or as its connector ships them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import asdict

from syncline.connect.contract import Catalogue, Field, FieldType, RemoteModule
from syncline.errors import SynclineError
from syncline.mapping.fields import with_declared
from syncline.run.workspace import Workspace
from syncline.spec.model import FieldMap, Spec
from syncline.spec.nearest import nearest
from syncline.store.database import sqlite_file
from syncline.store.history import connections


def discover(workspace: Workspace, system: str, module: str | None, *, offline: bool) -> dict[str, Any]:
    """What a system has: ``{"system", "connector", "source", "organisation", "modules"}``.

    ``source``: ``live`` when the connected organisation was asked, ``built-in`` when the connector's own
    catalogue is told, with the fields that the spec declares. ``modules``: each ``name``, ``label``,
    ``lookup``, ``capabilities``, ``used_by`` (modules of the spec) and ``fields`` (of one module only): each
    ``path``, ``label``, ``type``, ``max_length``, ``places``, ``required``, ``read_only``, ``create_only``,
    ``unique``, ``custom``, ``declared`` (by the spec), ``choices``, ``reference`` (the module it points to),
    ``maps`` (``module.map`` of the spec that read or write it, ``module (match)``).

    Raises SynclineError: an unknown system or module; a connection that is there but does not work.
    """
    found = workspace.system(system)
    organisation = None if offline else _organisation(workspace, system)
    if organisation is None:
        catalogue = workspace.connector(found).catalogue_for(found.options)
    else:
        catalogue = workspace.live(system).session.discover()
    # What a live organisation has is not overlaid with what the spec says of it.
    declared = {} if organisation else found.fields
    chosen = [_module(catalogue, module, system)] if module is not None else list(catalogue.modules)
    return {
        "system": system,
        "connector": found.connector,
        "source": "built-in" if organisation is None else "live",
        "organisation": organisation,
        "modules": [
            _told(
                with_declared(one, declared.get(one.name, {})),
                workspace.spec,
                system,
                frozenset(declared.get(one.name, {})),
                whole=module is not None,
            )
            for one in chosen
        ],
    }


def _organisation(workspace: Workspace, system: str) -> dict[str, str] | None:
    """The organisation that is connected, ``None`` when there is none; asks no remote, makes no state."""
    file = sqlite_file(workspace.state_url)
    if file is not None and not file.exists():
        return None
    with workspace.database.read() as db:
        saved = connections(db, workspace.spec.name).get(system)
    return None if saved is None else {"id": saved.organisation_id, "name": saved.organisation_name}


def _module(catalogue: Catalogue, name: str, system: str) -> RemoteModule:
    found = catalogue.module(name)
    if found is None:
        names = [module.name for module in catalogue.modules]
        near = nearest(name, names)
        fix = f"did you mean {near}?" if near else f"name one of: {', '.join(names)}"
        raise SynclineError(f"{system} has no module {name!r}", fix=fix)
    return found


def _told(
    remote: RemoteModule, spec: Spec, system: str, declared: frozenset[str], *, whole: bool
) -> dict[str, Any]:
    used = [
        module.name
        for module in spec.modules.values()
        if any(end.system == system and end.module == remote.name for end in (module.left, module.right))
    ]
    told: dict[str, Any] = {
        "name": remote.name,
        "label": remote.label or remote.name,
        "lookup": remote.lookup,
        "capabilities": asdict(remote.capabilities),
        "used_by": used,
    }
    if whole:
        maps = _maps(spec, system, remote.name)
        told["fields"] = [
            _field(path, one, maps.get(path, []), declared=path in declared)
            for path, one in _fields(remote.fields, "")
        ]
    return told


def _fields(fields: tuple[Field, ...], before: str) -> Iterator[tuple[str, Field]]:
    """Every field with its path, those inside objects and list items after the one that holds them."""
    for one in fields:
        path = before + one.name
        yield path, one
        inside = (
            f"{path}[{one.item_key}=…]."
            if one.item_key
            else f"{path}[]."
            if one.type is FieldType.LIST
            else f"{path}."
        )
        yield from _fields(one.fields, inside)


def _field(path: str, one: Field, maps: list[str], *, declared: bool) -> dict[str, Any]:
    return {
        "path": path,
        "label": one.label,
        "type": one.type.value,
        "max_length": one.max_length,
        "places": one.places,
        "required": one.required,
        "read_only": one.read_only,
        "create_only": one.create_only,
        "unique": one.unique,
        "custom": one.custom,
        "declared": declared,
        "choices": None if one.choices is None else list(one.choices),
        "moves": None if one.moves is None else {state: list(then) for state, then in one.moves.items()},
        "reference": (one.reference.module or None) if one.reference else None,
        "maps": maps,
    }


def _maps(spec: Spec, system: str, remote: str) -> Mapping[str, list[str]]:
    """The field maps of the spec, by the path that they use at this end; of a selected list item, by the
    path of any item."""
    found: dict[str, list[str]] = {}

    def note(fmap: FieldMap, left: bool, before: str, name: str) -> None:
        path = fmap.left if left else fmap.right
        if path is None:
            return
        general = before + _any_item(path)
        found.setdefault(general, []).append(name)
        for sub in (fmap.each or {}).values():
            note(sub, left, f"{general}[].", f"{name}.{sub.name}")

    for module in spec.modules.values():
        for end, left in ((module.left, True), (module.right, False)):
            if end.system == system and end.module == remote:
                for fmap in module.fields.values():
                    note(fmap, left, "", f"{module.name}.{fmap.name}")
                keys = [(rule.left, rule.right) for rule in module.match]
                keys += module.likely.block if module.likely is not None else ()
                for pair in keys:
                    path = _any_item(pair[0 if left else 1].path)
                    by_match = f"{module.name} (match)"
                    if by_match not in found.setdefault(path, []):
                        found[path].append(by_match)
    return found


def _any_item(path: str) -> str:
    """``Phones[PhoneType=DEFAULT].PhoneNumber`` as ``Phones[PhoneType=…].PhoneNumber``."""
    parts: list[str] = []
    for part in path.split("["):
        key, equals, rest = part.partition("=")
        parts.append(f"{key}=…]{rest.partition(']')[2]}" if equals and parts else part)
    return "[".join(parts)
