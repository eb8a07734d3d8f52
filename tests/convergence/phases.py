"""How a search ends when it finds something."""

from __future__ import annotations

from hypothesis import Phase
from tests.support.effort import LONG

#: Shrinking a history takes minutes: worth it when somebody looks for the fault.
PHASES = (Phase.generate, Phase.shrink) if LONG else (Phase.generate,)
