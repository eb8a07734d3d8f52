"""Candidates: what is known of the records that a match rule looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from syncline.mapping.module import MapEntry, Side
from syncline.reconcile.ending import TOLD
from syncline.reconcile.match import Candidate
from syncline.reconcile.merge import Unlinked
from syncline.run.references import References
from syncline.run.scope import Scope
from syncline.store.ledger import Staged


def candidates(
    scope: Scope,
    db: Connection,
    side: Side,
    ids: Sequence[str],
    staged: Mapping[str, Staged],
    agree: Sequence[MapEntry],
) -> dict[str, Candidate]:
    """Those of these records of one end that are linked, or staged and not to be left alone, with the
    values of the maps ``agree``."""
    links = scope.ledger.links_of(db, side, ids)
    for told in staged.values() if agree else ():
        scope.maps.render(side, told)
    references = [entry for entry in agree if entry.map.ref is not None]
    translator = References(scope, db, staged.values()) if references else None
    found = {}
    for record in ids:
        link, row = links.get(record), staged.get(record)
        own, out = (row.own, row.out) if row is not None else (link.base[side] if link else {}, {})
        if row is not None and translator is not None:
            own, out = dict(own), dict(out)
            for entry in references:
                value = translator.translate(entry, side, out.get(entry.name))
                if isinstance(value, Unlinked):
                    # Nobody knows yet whom it refers to: no evidence either way.
                    own.pop(entry.name, None)
                else:
                    out[entry.name] = value
        if link is None and (side, record) in scope.matches.ignore:
            continue
        if link is not None:
            found[record] = Candidate(side=side, id=record, free=False, own=own, out=out)
        elif row is not None:
            free = row.condition in TOLD and row.status != "ambiguous"
            found[record] = Candidate(side=side, id=record, free=free, own=own, out=out)
    return found
