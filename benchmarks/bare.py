"""A client that only fetches every page of both ends and parses it: ``python bare.py URL URL``."""

from __future__ import annotations

import json
import sys

import httpx
import msgspec


def main(*urls: str) -> None:
    count = 0
    with httpx.Client(timeout=30) as http:
        for url in urls:
            page = 1
            while page is not None:
                body = msgspec.json.decode(http.get(url, params={"page": page}).raise_for_status().content)
                count += len(body["records"])
                page = body["next"]
    print(json.dumps({"records": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
