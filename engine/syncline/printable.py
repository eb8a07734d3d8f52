"""Text from outside, as it may be shown: what would steer a terminal or reorder a line is spelt out.

A remote chooses the names, ids and messages that Syncline prints. Escape sequences among them could clear the
screen, set its title or forge a line; directional marks could show one thing and mean another.
"""

from __future__ import annotations

import re

#: Control characters but line feed and tab, directional marks (Unicode TR 36, section 3.2), the separators
#: that some viewers break lines at, and halves of characters, which no stream takes.
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SPACES = re.compile(r"[\n\t]+")


def printable(text: str) -> str:
    """The text with each such character as its escape (``\\x1b``); lines stay lines."""
    return _STEERING.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """The same on one line, for a value from outside within a line of ours."""
    return printable(_SPACES.sub(" ", text))


def printable_json(text: str) -> str:
    """JSON that means the same and steers nothing: such characters can only stand in its strings."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
