"""Every filter of the engine, by the name that specs use."""

from __future__ import annotations

from collections.abc import Mapping

from syncline.mapping.filters import FILTERS, Filter
from syncline.mapping.normal import NORMAL_FORMS

ALL_FILTERS: Mapping[str, Filter] = {**FILTERS, **NORMAL_FORMS}
