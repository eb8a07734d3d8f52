"""The load server: a remote that is never the bottleneck, for benchmarks alone.

Pages are made once, before the first request, and lie ready in a file that is mapped into memory; a request
costs a look into a table and a write to a socket. It is no sandbox: it checks nothing and refuses nothing.

``GET /ORG/MODULE``            a page: ``{"records": [...], "next": 2}``; ``?page=``, ``?since=`` (changed
                               after that instant), ``?ids=a,b``; the page size is the server's
``GET /ORG``                   who this is
``POST /ORG/MODULE``           a batch: ``{"records": [{"record": id, "values": {}, "version": ""}]}``;
                               a record that is at another version than the one named is left as it is
``POST /token``                a token that nobody checks
``GET /_/counts``              requests so far; ``DELETE`` sets them to zero
``POST /_/edit/ORG/MODULE/K``  people edit the first K records
``DELETE /_/records``          forget every write and edit

An organisation whose name begins with ``empty`` has no records but those that were written to it.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from records import SHAPES, record_bytes, shape_of, stamp

#: Edits and writes are later than every record that was there from the start.
WRITES_FROM = datetime(2026, 6, 1, tzinfo=UTC)


class Pages:
    """The pages of one shape as bytes, in a file without a name."""

    def __init__(self, shape: str, records: int, page_size: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self._places: list[tuple[int, int]] = []
        at = 0
        for start in range(0, records, page_size):
            rows = [record_bytes(shape, n) for n in range(start, min(start + page_size, records))]
            number = start // page_size + 1
            following = b"null" if start + page_size >= records else b"%d" % (number + 1)
            page = b'{"next":' + following + b',"records":[' + b",".join(rows) + b"]}"
            self._places.append((at, at + self._file.write(page)))
            at += len(page)
        self._file.flush()
        self._map = memoryview(mmap.mmap(self._file.fileno(), 0) if at else b"")

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> memoryview:
        """A page by its number, from 1."""
        start, end = self._places[number - 1]
        return self._map[start:end]


class Records:
    """One module of one organisation: its ready pages, and what was written since, in the order of change."""

    def __init__(self, shape: str, pages: Pages | None, page_size: int) -> None:
        self.shape, self.pages, self.page_size = shape, pages, page_size
        self.changed: dict[str, dict[str, Any]] = {}

    def page(self, number: int, since: str | None) -> Any:
        """A changed record is told again after the ready pages, which still have it as it was."""
        ready = len(self.pages) if self.pages is not None and since is None else 0
        if number <= ready:
            assert self.pages is not None
            if number < ready or not self.changed:
                return self.pages[number]
            last = msgspec.json.decode(self.pages[number])
            return msgspec.json.encode({**last, "next": number + 1})
        later = [r for r in self.changed.values() if since is None or r["modified"] > since]
        start = (number - ready - 1) * self.page_size
        more = start + self.page_size < len(later)
        rows = later[start : start + self.page_size]
        return msgspec.json.encode({"next": number + 1 if more else None, "records": rows})

    def by_id(self, record: str) -> dict[str, Any] | None:
        if record in self.changed or not record.isdigit() or self.pages is None:
            return self.changed.get(record)
        found: dict[str, Any] = msgspec.json.decode(record_bytes(self.shape, int(record)))
        return found

    def store(self, record: str | None, values: dict[str, Any], number: int) -> dict[str, Any]:
        """Merge what is given, one level deep, into the record; its place is now the last."""
        name = record or f"n{number}"
        held = self.by_id(name) or {}
        self.changed.pop(name, None)
        for key, value in values.items():
            held[key] = {**(held.get(key) or {}), **value} if isinstance(value, dict) else value
        held |= {"id": name, "modified": stamp(WRITES_FROM + timedelta(seconds=number))}
        self.changed[name] = held
        return held


class Remote:
    """Every organisation, and what was asked of them."""

    def __init__(self, records: int, page_size: int) -> None:
        self._size = page_size
        self._ready = {shape: Pages(shape, records, page_size) for shape in SHAPES}
        self._modules: dict[tuple[str, str], Records] = {}
        self._changes = 0
        self.counts: Counter[str] = Counter()

    def answer(self, method: str, target: str, body: bytes) -> Any:
        """The body of the reply: bytes, or a value to be made JSON."""
        split = urlsplit(target)
        parts = split.path.strip("/").split("/")
        if parts[0] == "token":
            return {"access_token": "load", "token_type": "Bearer", "expires_in": 86_400, "scope": "all"}
        if parts[0] == "_":
            return self._control(method, parts[1:])
        self.counts[f"{method} {split.path.strip('/')}"] += 1
        if len(parts) == 1:
            return {"id": parts[0], "name": parts[0]}
        module = self._module(*parts)
        if method == "POST":
            rows = msgspec.json.decode(body)["records"]
            return {"records": [self._write(module, **row) for row in rows]}
        asked = {name: values[0] for name, values in parse_qs(split.query).items()}
        if "ids" in asked:
            found = [module.by_id(unquote(i)) for i in asked["ids"].split(",")]
            return {"records": [row for row in found if row is not None]}
        return module.page(int(asked.get("page", 1)), asked.get("since"))

    def _write(
        self, module: Records, record: str | None, values: dict[str, Any], version: str | None = None
    ) -> dict[str, Any]:
        held = module.by_id(record) if record and version else None
        changed = held is not None and held["modified"] != version
        if not changed:
            self._changes += 1
            held = module.store(record, values, self._changes)
        assert held is not None
        return {"id": held["id"], "modified": held["modified"], "changed_since": changed}

    def _control(self, method: str, parts: list[str]) -> Any:
        match method, parts:
            case "DELETE", ["counts"]:
                self.counts.clear()
            case "DELETE", ["records"]:
                self._modules.clear()
            case "POST", ["edit", org, name, count]:
                module = self._module(org, name)
                for number in range(int(count)):
                    self._changes += 1
                    record = f"{number:07d}"
                    module.store(record, {"phone": f"+61 2 {self._changes:08d}"}, self._changes)
        return dict(self.counts)

    def _module(self, org: str, name: str) -> Records:
        if (org, name) not in self._modules:
            pages = None if org.startswith("empty") else self._ready[shape_of(name)]
            self._modules[org, name] = Records(shape_of(name), pages, self._size)
        return self._modules[org, name]


class Line(asyncio.Protocol):
    """One connection: HTTP/1.1, kept open, one request at a time."""

    def __init__(self, remote: Remote, latency_s: float) -> None:
        self._remote, self._latency_s = remote, latency_s
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=2**26)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, rest = self._held.partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines[1:])}
        if len(rest) < int(headers.get(b"content-length", 0)):
            return
        self._held = b""
        method, target, _ = lines[0].decode().split(" ")
        answer = self._remote.answer(method, target, rest)
        body = answer if isinstance(answer, bytes | memoryview) else msgspec.json.encode(answer)
        lead = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        if self._latency_s:
            asyncio.get_running_loop().call_later(self._latency_s, self._send, lead, body)
        else:
            self._send(lead, body)

    def _send(self, lead: bytes, body: Any) -> None:
        if not self._transport.is_closing():
            self._transport.writelines([lead, body])


async def serve(remote: Remote, port: int, latency_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Line, remote, latency_s), "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--records", type=int, default=10_000, help="of each module")
    parser.add_argument("--page", type=int, default=1000, help="records a page")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0)
    chosen = parser.parse_args()
    remote = Remote(chosen.records, chosen.page)
    asyncio.run(serve(remote, chosen.port, chosen.latency_ms / 1000))


if __name__ == "__main__":
    main()
