"""Notifications: which channel a delivery came through, and which records it names.

Source: Zoho CRM API v8, Notification APIs (actions/watch): a delivery is not signed; it holds the ``token``
and the ``channel_id`` that the channel was opened with. Its order, repetition and completeness are not
documented.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from syncline.connect import Event, EventRefused
from syncline_zoho.crm.standard import MODULES


def read_events(options: Mapping[str, Any], body: bytes) -> list[Event]:
    """The events of a delivery; raises EventRefused."""
    token, channel = str(options.get("notification_token") or ""), options.get("notification_channel")
    if not token:
        raise EventRefused(
            "no notification_token is set, so nobody can tell who sent this delivery",
            fix="set notification_token of the system to the token that the channel was opened with",
        )
    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise EventRefused("the delivery is not JSON") from error
    told = told if isinstance(told, dict) else {}
    right = hmac.compare_digest(str(told.get("token") or "").encode(), token.encode())
    if not right or (channel is not None and str(told.get("channel_id")) != str(channel)):
        raise EventRefused(
            "the delivery does not hold the token of this system's notification channel; nothing was done",
            fix="if it did come from Zoho, compare notification_token with the channel's (actions/watch)",
        )
    module, ids = str(told.get("module")), told.get("ids")
    if module not in (*MODULES, *(options.get("modules") or ())) or not isinstance(ids, list):
        return []
    mark = f"{told.get('channel_id')} {told.get('server_time')} {told.get('operation')}"
    return [Event(module=module, record=str(record), id=f"{record} {mark}") for record in ids]
