"""Whose word counts for records that several modules write, each from another system."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from syncline.spec.model import ConflictRule, Module

#: One end of a module: its system and its remote module.
Node = tuple[str, str]


def nodes_of(module: Module) -> tuple[Node, Node]:
    return ((module.left.system, module.left.module), (module.right.system, module.right.module))


def towards_owner(module: Module, modules: Mapping[str, Module]) -> str | None:
    """The end of a module from which its owner's word comes: the owner itself where it is one of the two,
    else the end that other modules of the same owner join with it, by the fewest of them. ``None`` where
    none do, or nobody owns the records."""
    if module.owner is None:
        return None
    others = [m for m in modules.values() if m.enabled and m.owner == module.owner and m is not module]
    # The owner's own end comes first; then, one module further each time, whatever is joined with it.
    reached = {node for each in (module, *others) for node in nodes_of(each) if node[0] == module.owner}
    while True:
        for system, remote in nodes_of(module):
            if (system, remote) in reached:
                return system
        further = {node for each in others if reached.intersection(nodes_of(each)) for node in nodes_of(each)}
        if further <= reached:
            return None
        reached |= further


def with_owners(modules: Mapping[str, Module], ruled: Collection[str]) -> dict[str, Module]:
    """The modules with the conflict rule that follows from their owner, unless they have one of their own:
    those of ``ruled``."""
    found = dict(modules)
    for name, module in modules.items():
        end = towards_owner(module, modules)
        if end is not None and name not in ruled:
            rule = ConflictRule(prefer=end, place=module.owner_place or module.place)
            found[name] = replace(module, conflicts=rule)
    return found
