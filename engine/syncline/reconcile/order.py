"""The order of modules: what is referred to comes before what refers to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncline.spec.model import FieldMap, Module


def references_of(module: Module) -> frozenset[str]:
    """The other modules whose links this module needs: its maps translate through them, or it yields to
    them."""
    yielding = {module.yields_to} if module.yields_to else set()
    return frozenset(_refs(module.fields.values())) - {module.name} | yielding


def order_modules(modules: Mapping[str, Module]) -> list[Module]:
    """The enabled modules, each after those it refers to, otherwise in the order of the spec. A cycle, which
    the checks refuse, is cut where it closes."""
    done: dict[str, Module] = {}
    visiting: set[str] = set()

    def visit(module: Module) -> None:
        if module.name in done or module.name in visiting:
            return
        visiting.add(module.name)
        for name in sorted(references_of(module)):
            if name in modules and modules[name].enabled:
                visit(modules[name])
        done[module.name] = module

    for module in modules.values():
        if module.enabled:
            visit(module)
    return list(done.values())


def _refs(maps: Iterable[FieldMap]) -> Iterable[str]:
    for fmap in maps:
        if fmap.ref is not None:
            yield fmap.ref
        if fmap.each is not None:
            yield from _refs(fmap.each.values())
