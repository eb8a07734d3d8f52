"""A short print of everything in a spec that decides a module's values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from syncline.spec.macros import MacroSource
from syncline.spec.model import EnvText, FieldMap, ItemsRule, LikelyRule, MatchKey, Module, Spec, System


def module_digests(spec: Spec, macros: Iterable[MacroSource]) -> dict[str, str]:
    """By module: 32 hexadecimal digits that change when its maps, rules, ends, macros or its systems' options
    and declared fields do, and not with places, limits, schedules or the environment."""
    imported: list[Any] = [macro.source for macro in macros]
    if spec.tables:
        imported.append(table_digest(spec))
    digests = {}
    for module in spec.modules.values():
        told = [
            _module(module),
            imported,
            [_end(spec.systems[e.system], e.module) for e in (module.left, module.right)],
        ]
        text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=_json)
        digests[module.name] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return digests


def field_digests(module: Module) -> dict[str, str]:
    """By map: 16 hexadecimal digits that change when what its value is does: its paths, transforms,
    reference, pairs of values or items; not its direction or rules."""
    digests = {}
    for fmap in module.fields.values():
        told = {
            k: v for k, v in _map(fmap).items() if k in ("paths", "to", "ref", "otherwise", "each", "values")
        }
        text = json.dumps(told, sort_keys=True, ensure_ascii=False, default=_json)
        digests[fmap.name] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return digests


def table_digest(spec: Spec) -> str:
    """A print of the values of all tables; empty without any."""
    told = {table.name: table.rows for table in spec.tables.values()}
    return json.dumps(told, sort_keys=True, ensure_ascii=False, default=_json) if told else ""


def map_digests(module: Module, macros: Iterable[MacroSource], tables: str = "") -> dict[str, str]:
    """By map: 16 hexadecimal digits that change when what a pass may write through it does: all that
    :func:`field_digests` knows, its direction and `enforce`, and the macros and tables (by their digest) that
    its transforms can call."""
    imported = [macro.source for macro in macros] + [tables] * bool(tables)
    digests = {}
    for fmap in module.fields.values():
        calls = any("(" in source for source in _sources(fmap.to).values())
        text = json.dumps([_map(fmap), imported if calls else []], sort_keys=True, default=_json)
        digests[fmap.name] = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return digests


def _module(module: Module) -> dict[str, Any]:
    ends = (module.left, module.right)
    told: dict[str, Any] = (
        {} if not any(end.items for end in ends) else {"items": [_items(end.items) for end in ends]}
    )
    told |= {} if module.likely is None else {"likely": _likely(module.likely)}
    return {
        **told,
        "ends": [[end.system, end.module] for end in ends],
        "match": [
            [_key(key) for key in (rule.left, rule.right)] + [list(rule.agree)] for rule in module.match
        ],
        "where": _sources(module.where),
        "recheck": _sources(module.recheck),
        "deletes": dict(module.deletes),
        **({"yields_to": module.yields_to} if module.yields_to else {}),
        **({"creates": _sources(module.creates)} if module.creates else {}),
        "fields": {
            fmap.name: [_map(fmap), (fmap.conflicts or module.conflicts).prefer]
            for fmap in module.fields.values()
        },
    }


def _key(key: MatchKey) -> list[Any]:
    return [key.path, key.filters, *([key.arguments] if any(key.arguments) else ())]


def _likely(rule: LikelyRule) -> list[Any]:
    return [
        [[_key(key) for key in keys] for keys in rule.block],
        [[each.name, each.weight, each.likeness] for each in rule.evidence],
        [list(rule.agree), rule.link, rule.ask, rule.enough, rule.country],
    ]


def _items(rule: ItemsRule | None) -> list[Any] | None:
    return None if rule is None else [list(rule.key), dict(rule.first)]


def _map(fmap: FieldMap) -> dict[str, Any]:
    return {
        "paths": [fmap.left, fmap.right],
        "direction": fmap.direction,
        "to": _sources(fmap.to),
        "ref": fmap.ref,
        "each": None if fmap.each is None else {name: _map(sub) for name, sub in fmap.each.items()},
        "key": fmap.key,
        "values": fmap.values,
        "enforce": fmap.enforce,
        "tolerance": fmap.tolerance,
        **({"otherwise": dict(fmap.otherwise)} if fmap.otherwise else {}),
        **({"taken": _sources(fmap.taken)} if fmap.taken else {}),
    }


def _sources(expressions: Any) -> dict[str, str]:
    return {system: expression.source for system, expression in expressions.items()}


def _end(system: System, module: str) -> dict[str, Any]:
    declared = system.fields.get(module, {})
    return {
        "connector": system.connector,
        "options": system.options,
        "fields": {
            name: [own.type, own.max_length, own.required, own.read_only, own.unique, own.choices]
            for name, own in declared.items()
        },
    }


def _json(value: Any) -> Any:
    if isinstance(value, EnvText):
        return None  # where a value comes from does not decide it
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(type(value).__name__)
