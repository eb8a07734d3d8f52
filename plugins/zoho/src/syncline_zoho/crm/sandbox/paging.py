"""Page tokens: where a list goes on, for whom, for how long.

After Zoho CRM API v8, Get Records: a token is bound to the user and the other parameters, dies after
24 hours, and leads no further than 100,000 records.
"""

from __future__ import annotations

import secrets

from msgspec import Struct

from syncline.connect.sandbox import VirtualClock
from syncline_zoho.crm.sandbox.errors import Refused

TOKEN_LIFE_S = 86_400
MAX_BY_PAGE = 2_000
MAX_BY_TOKEN = 100_000
MAX_PER_PAGE = 200


class Place(Struct, frozen=True, kw_only=True):
    """``after``: (Modified_Time, id) of the last record given; ``given``: how many so far."""

    params: tuple[tuple[str, str], ...]
    after: tuple[str, str]
    given: int
    page: int
    expires: float


class PageTokens:
    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._places: dict[str, Place] = {}

    def issue(
        self, params: tuple[tuple[str, str], ...], after: tuple[str, str], given: int, page: int
    ) -> str:
        token = secrets.token_hex(32)
        self._places[token] = Place(
            params=params,
            after=after,
            given=given,
            page=page,
            expires=self._clock.timestamp() + TOKEN_LIFE_S,
        )
        return token

    def find(self, token: str, params: tuple[tuple[str, str], ...]) -> Place:
        place = self._places.get(token)
        if place is None:
            raise Refused(400, "INVALID_DATA", "invalid page token", {"param_name": "page_token"})
        if place.expires <= self._clock.timestamp():
            raise Refused(400, "EXPIRED_VALUE", "page token expired", {"param_name": "page_token"})
        if place.params != params:
            raise Refused(
                400,
                "TOKEN_BOUND_DATA_MISMATCH",
                "the request does not match the one the page token was made for",
                {"param_name": "page_token"},
            )
        if place.given >= MAX_BY_TOKEN:
            raise Refused(
                400,
                "PAGINATION_LIMIT_EXCEEDED",
                "cannot fetch more than 100000 records",
                {"limit": MAX_BY_TOKEN},
            )
        return place

    def expiry(self, token: str) -> float:
        return self._places[token].expires


def page_size(text: str | None) -> int:
    """``per_page``, 200 when absent; raises :class:`Refused` outside 1 to 200."""
    if text is None:
        return MAX_PER_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PER_PAGE:
        raise Refused(
            400,
            "INVALID_DATA",
            "the per_page given is out of range",
            {"param_name": "per_page", "maximum": 200},
        )
    return int(text)


def plain_page(text: str | None) -> int:
    """``page``, 1 when absent; raises :class:`Refused` when it is no number."""
    if text is None:
        return 1
    if not text.isdecimal() or int(text) < 1:
        raise Refused(400, "INVALID_DATA", "the page given is no number", {"param_name": "page"})
    return int(text)


def page_number(text: str | None, per_page: int) -> int:
    """The same; raises :class:`Refused` beyond the first 2,000 records."""
    number = plain_page(text)
    if number > 1 and number * per_page > MAX_BY_PAGE:
        raise Refused(
            400,
            "DISCRETE_PAGINATION_LIMIT_EXCEEDED",
            "only the first 2000 records can be fetched by page; use page_token for more",
            {"param_name": "page", "limit": MAX_BY_PAGE},
        )
    return number
