"""How far a module has been read, as the opaque text that the engine keeps."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from msgspec import Struct

from syncline.connect import RemoteProtocolError

#: Xero's If-Modified-Since counts whole seconds and does not say on which side of the edge it stands;
#: a change may also become visible a little after its own stamp.
OVERLAP = timedelta(seconds=60)


class Cursor(Struct, frozen=True):
    """``page``: the next page of the read under way, 1 between reads. ``since``: only changes from this
    instant on (ISO, UTC, whole seconds). ``began``: the remote's clock on the first page of the read under
    way, from which the read after it will start."""

    page: int = 1
    since: str | None = None
    began: str | None = None

    def text(self) -> str:
        said = {"page": self.page, "since": self.since, "began": self.began}
        return json.dumps({k: v for k, v in said.items() if v is not None})

    def after_page(self, *, last: bool, server_time: datetime) -> Cursor:
        """Where to go on once this page's records are safe."""
        began = self.began or (server_time - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S")
        if last:
            return Cursor(since=began)
        return Cursor(page=self.page + 1, since=self.since, began=began)


def parse_cursor(text: str | None) -> Cursor:
    """Raises RemoteProtocolError for a text that no cursor of ours has."""
    if text is None:
        return Cursor()
    try:
        said = json.loads(text)
        return Cursor(page=int(said["page"]), since=said.get("since"), began=said.get("began"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RemoteProtocolError(
            "the stored cursor of this module cannot be read",
            fix="reset the module's cursor to read it from the beginning",
        ) from error
