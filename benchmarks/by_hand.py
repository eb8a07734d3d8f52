"""The job as a skilled person writes it by hand for these two systems alone, and for no other.

``python by_hand.py CRM_URL BOOKS_URL STATE``: plain httpx, a fast JSON parser that keeps decimals exact,
plain Python for the eight paths, one compiled Jinja expression for the four transforms, SQL by hand with as
much durability as the engine has: WAL, a transaction a page, creates written down before they are sent. It
reads both ends from their cursors, maps, finds what changed, matches, compares field by field, keeps links
with the bases of both ends, and creates in the books what only the CRM has. It knows no other write: no
updates, no conflict rules, no audit log, no leases, no plan, no retries.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment

BATCH = 100
DECODE = msgspec.json.Decoder(float_hook=Decimal).decode
ENCODE = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
LEFT, RIGHT = 0, 1

TABLES = """
CREATE TABLE IF NOT EXISTS cursor (side INTEGER PRIMARY KEY, since TEXT, page INTEGER);
CREATE TABLE IF NOT EXISTS waiting (side INTEGER, id TEXT, key TEXT, version TEXT, print BLOB,
  own TEXT, out TEXT, PRIMARY KEY (side, id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting_key ON waiting (side, key);
CREATE TABLE IF NOT EXISTS link (id INTEGER PRIMARY KEY, id0 TEXT UNIQUE, id1 TEXT UNIQUE,
  version0 TEXT, version1 TEXT, print0 BLOB, print1 BLOB, base0 TEXT, base1 TEXT);
CREATE TABLE IF NOT EXISTS journal (id TEXT PRIMARY KEY, state TEXT, body TEXT) WITHOUT ROWID;
"""
LINK = "INSERT INTO link (id0,id1,version0,version1,print0,print1,base0,base1) VALUES (?,?,?,?,?,?,?,?)"

_jinja = ImmutableSandboxedEnvironment()
TO_BOOKS = _jinja.compile_expression(
    "[country | upper, 'ACTIVE' if active else 'CLOSED', 'NET ' ~ terms, (credit * 100) | int]"
)
TO_CRM = _jinja.compile_expression(
    "[country | lower, active == 'ACTIVE', terms | replace('NET ', '') | int, credit / 100]"
)
NAMES = "name email phone website street city postcode tax_number country active terms credit".split()
_not_alnum = re.compile(r"[\W_]+")


def crm_values(r: dict[str, Any]) -> list[Any]:
    """A CRM record's own values, in the order of NAMES."""
    a = r.get("address") or {}
    return [
        *(r.get("name"), r.get("email"), r.get("phone"), r.get("website")),
        *(a.get("street"), a.get("city"), a.get("postcode"), r.get("tax_number")),
        *(r.get("country"), r.get("active"), r.get("terms"), r.get("credit")),
    ]


def books_values(r: dict[str, Any]) -> list[Any]:
    """A books record's own values, in the order of NAMES."""
    a = r.get("billing") or {}
    return [
        *(r.get("display_name"), r.get("email_address"), r.get("phone"), r.get("web")),
        *(a.get("street"), a.get("city"), a.get("postcode"), r.get("tax")),
        *(r.get("country_code"), r.get("status"), r.get("payment_terms"), r.get("credit_cents")),
    ]


def carry(own: list[Any], side: int) -> list[Any]:
    """The same values as the other end stores them."""
    country, active, terms, credit = own[8:]
    expression = TO_BOOKS if side == LEFT else TO_CRM
    return own[:8] + expression(country=country, active=active, terms=terms, credit=credit)


Page = tuple[list[Any], int | None]


def pages(http: httpx.Client, url: str, since: str | None, page: int) -> Iterator[Page]:
    following: int | None = page
    while following is not None:
        asked = {"page": following} | ({"since": since} if since else {})
        body = DECODE(http.get(url, params=asked).raise_for_status().content)
        following = body["next"]
        yield body["records"], following


def read_end(db: sqlite3.Connection, http: httpx.Client, url: str, side: int) -> None:
    since, page = db.execute("SELECT since, page FROM cursor WHERE side=?", (side,)).fetchone() or (None, 1)
    high = since or ""
    for rows, following in pages(http, url, since, page):
        high = max(high, max((row["modified"] for row in rows), default=""))
        db.execute("BEGIN IMMEDIATE")
        take(db, side, rows)
        place = (side, since, following) if following else (side, high or since, 1)
        db.execute("INSERT OR REPLACE INTO cursor VALUES (?,?,?)", place)
        db.execute("COMMIT")


def take(db: sqlite3.Connection, side: int, rows: list[dict[str, Any]]) -> None:
    """One page: leave out what has not changed, link what meets its match, let the rest wait."""
    values = crm_values if side == LEFT else books_values
    ids = [row["id"] for row in rows]
    marks = ",".join("?" * len(ids))
    known = dict(db.execute(f"SELECT id{side}, print{side} FROM link WHERE id{side} IN ({marks})", ids))
    fresh = []
    for row in rows:
        own = values(row)
        text = ENCODE(own)
        mark = hashlib.blake2b(text, digest_size=16).digest()
        if known.get(row["id"]) == mark:
            continue
        if row["id"] in known:
            raise SystemExit("an edit: this pass by hand has not learnt to write updates")
        key = _not_alnum.sub("", own[7] or "").upper()
        fresh.append((row["id"], key, row["modified"], mark, text, ENCODE(carry(own, side))))
    marks = ",".join("?" * len(fresh))
    other = db.execute(
        f"SELECT key, id, version, print, own, out FROM waiting WHERE side=? AND key IN ({marks})",
        [1 - side, *(row[1] for row in fresh)],
    )
    partners = {row[0]: row[1:] for row in other}
    waiting, links, met = [], [], []
    for record, key, version, mark, own, out in fresh:
        partner = partners.pop(key, None)
        if partner is None:
            waiting.append((side, record, key, version, mark, own, out))
            continue
        if DECODE(partner[4]) != DECODE(own):
            raise SystemExit("a difference: this pass by hand has not learnt to write updates")
        ends = [(record, version, mark, own), partner[:4]]
        left, right = ends if side == LEFT else reversed(ends)
        links.append([item for pair in zip(left, right, strict=True) for item in pair])
        met.append((1 - side, partner[0]))
    db.executemany("INSERT INTO waiting VALUES (?,?,?,?,?,?,?)", waiting)
    db.executemany(LINK, links)
    db.executemany("DELETE FROM waiting WHERE side=? AND id=?", met)


def create(db: sqlite3.Connection, http: httpx.Client, url: str) -> None:
    """Create in the books what only the CRM has, written down before it is sent."""
    query = "SELECT id, version, print, own, out FROM waiting WHERE side=0 LIMIT ?"
    while rows := db.execute(query, (BATCH,)).fetchall():
        outs = [DECODE(row[4]) for row in rows]
        bodies = [books_record(out) for out in outs]
        db.execute("BEGIN IMMEDIATE")
        journal = [(row[0], "sent", ENCODE(body)) for row, body in zip(rows, bodies, strict=True)]
        db.executemany("INSERT INTO journal VALUES (?,?,?)", journal)
        db.execute("COMMIT")
        content = ENCODE({"records": [{"record": None, "values": body} for body in bodies]})
        stored = DECODE(http.post(url, content=content).raise_for_status().content)["records"]
        db.execute("BEGIN IMMEDIATE")
        links, done = [], []
        for row, out, new in zip(rows, outs, stored, strict=True):
            text = ENCODE(out)
            mark = hashlib.blake2b(text, digest_size=16).digest()
            links.append((row[0], new["id"], row[1], new["modified"], row[2], mark, row[3], text))
            done.append((row[0],))
        db.executemany(LINK, links)
        db.executemany("UPDATE journal SET state='done' WHERE id=?", done)
        db.executemany("DELETE FROM waiting WHERE side=0 AND id=?", done)
        db.execute("COMMIT")


def books_record(out: list[Any]) -> dict[str, Any]:
    name, email, phone, web, street, city, postcode, tax, country, status, terms, credit = out
    return {
        "display_name": name,
        "email_address": email,
        "phone": phone,
        "web": web,
        "billing": {"street": street, "city": city, "postcode": postcode},
        "tax": tax,
        "country_code": country,
        "status": status,
        "payment_terms": terms,
        "credit_cents": credit,
    }


def main(crm: str, books: str, state: str) -> None:
    db = sqlite3.connect(state, isolation_level=None)
    db.execute("PRAGMA journal_mode=wal")
    db.execute("PRAGMA synchronous=normal")
    db.executescript(TABLES)
    with httpx.Client(timeout=30) as http:
        read_end(db, http, f"{crm}/accounts", LEFT)
        read_end(db, http, f"{books}/customers", RIGHT)
        create(db, http, f"{books}/customers")
    (linked,) = db.execute("SELECT count(*) FROM link").fetchone()
    (left,) = db.execute("SELECT count(*) FROM waiting").fetchone()
    print(json.dumps({"linked": linked, "waiting": left}))
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
