"""Blocks: which records a likely rule compares at all, where the spec leaves that to the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncline.spec.model import Evidence, FieldMap, Likeness, MatchKey

#: By kind of value the filters that make its keys. Of the others too many records share a value: a town, a
#: postcode.
_FILTERS: Mapping[Likeness, tuple[str, ...]] = {
    Likeness.COMPANY: ("name_keys",),
    Likeness.PERSON: ("person_keys",),
    Likeness.EMAIL: ("email_keys", "email_domain"),
    Likeness.PHONE: ("phone",),
    Likeness.TAX_NUMBER: ("tax_keys",),
    Likeness.NUMBER: ("number_keys",),
    Likeness.TEXT: ("name_keys",),
}


def blocks_of(
    evidence: Iterable[Evidence], fields: Mapping[str, FieldMap], country: str
) -> list[tuple[MatchKey, MatchKey]]:
    """The pairs of keys that the evidence gives. References give none: a company has many people."""
    found = []
    for each in evidence:
        fmap = fields[each.name]
        if fmap.ref is not None or fmap.left is None or fmap.right is None:
            continue
        for name in _FILTERS.get(each.likeness, ()):
            texts = (country,) if name == "phone" and country else ()
            left, right = (
                MatchKey(
                    path=path,
                    filters=(name,),
                    place=each.place,
                    filter_places=(each.place,),
                    arguments=(texts,),
                )
                for path in (fmap.left, fmap.right)
            )
            found.append((left, right))
    return found
