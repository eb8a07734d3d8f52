"""Ending: what is done at one end when the other end's record has ended.

Four ways to end: a record is *deleted*, *archived* (it rests and can come back), *voided* (a document that
stays and counts for nothing) or merged into another one (:mod:`syncline.run.merging`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from syncline.spec.model import DeleteRule

#: The states in which a record no longer counts.
ENDED: Final = ("deleted", "archived", "voided")
#: The states in which its values are still told.
TOLD: Final = frozenset({"live", "voided"})


class Answer(StrEnum):
    """What the other end does; the first three are writes of that name."""

    ARCHIVE = "archive"
    VOID = "void"
    DELETE = "delete"
    UNLINK = "unlink"  # the pair is forgotten; the record that is left is one of its own
    NOTHING = "nothing"


_ANSWERS: Final = {
    ("deleted", DeleteRule.ARCHIVE): Answer.ARCHIVE,
    ("deleted", DeleteRule.VOID): Answer.VOID,
    ("deleted", DeleteRule.DELETE): Answer.DELETE,
    ("deleted", DeleteRule.UNLINK): Answer.UNLINK,
    ("archived", DeleteRule.ARCHIVE): Answer.ARCHIVE,
    ("archived", DeleteRule.VOID): Answer.VOID,
    ("archived", DeleteRule.DELETE): Answer.DELETE,
    # A voided document is still there to be seen: its counterpart is not deleted for it.
    ("voided", DeleteRule.ARCHIVE): Answer.ARCHIVE,
    ("voided", DeleteRule.VOID): Answer.VOID,
}


def answer_to(ended: str, rule: DeleteRule) -> Answer:
    """What the rule of the other end says to a record that has ended so."""
    return _ANSWERS.get((ended, rule), Answer.NOTHING)
