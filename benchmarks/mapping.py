"""Mapping alone: 12 fields of which 4 have a transform, by the engine and by a plain Python function."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from job import LOAD, PATHS, spec_text
from measure import figures

sys.path.insert(0, str(LOAD))

RECORDS = 1000
CENT = Decimal("0.01")
NOT_ALNUM = re.compile(r"[\W_]+")
LENGTHS = dict.fromkeys(list(PATHS)[:8], 200) | {"phone": 50, "tax_number": 50}
LENGTHS |= {"country": 2, "active": 10, "terms": 10}
ENCODE = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def plain(r: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], str, bytes]:
    """What the engine makes of a CRM record when it reads it, as a person writes it for this spec alone.

    Its own values (blank is nothing, money has two places), what the books would store, with their lengths
    checked, its match key and its print.
    """
    address = r.get("address") or {}
    country, active, terms, credit = r.get("country"), r.get("active"), r.get("terms"), r.get("credit")
    if credit is not None:
        credit = credit.quantize(CENT)
    own = {
        "name": r.get("name") or None,
        "email": r.get("email") or None,
        "phone": r.get("phone") or None,
        "website": r.get("website") or None,
        "street": address.get("street") or None,
        "city": address.get("city") or None,
        "postcode": address.get("postcode") or None,
        "tax_number": r.get("tax_number") or None,
        "country": country or None,
        "active": active,
        "terms": terms,
        "credit": credit,
    }
    out = {
        **own,
        "country": country.upper() if country else None,
        "active": "ACTIVE" if active else "CLOSED",
        "terms": f"NET {terms}",
        "credit": int(credit * 100) if credit is not None else None,
    }
    for name, most in LENGTHS.items():
        value = out[name]
        if value is not None and len(value) > most:
            raise ValueError(f"{name}: {len(value)} characters are too many")
    key = NOT_ALNUM.sub("", own["tax_number"] or "").upper()
    return own, out, key, hashlib.blake2b(ENCODE(own), digest_size=16).digest()


def measure(rounds: int) -> dict[str, Any]:
    from records import record_bytes
    from syncline_load import to_record

    decode = msgspec.json.Decoder(float_hook=Decimal).decode
    rows = [decode(record_bytes("accounts", n)) for n in range(RECORDS)]
    records = [to_record(row) for row in rows]
    by_engine = _by_engine()
    own, out, key, _ = plain(rows[17])
    assert by_engine(records[17]) == (own, out, key), by_engine(records[17])
    times: dict[str, list[float]] = {"engine": [], "plain Python": []}
    for _ in range(rounds):
        times["engine"].append(_microseconds(by_engine, records))
        times["plain Python"].append(_microseconds(plain, rows))
    return figures("mapping", {"rounds": rounds, "microseconds a record": times})


def _by_engine() -> Callable[[Any], tuple[dict[str, Any], dict[str, Any], str]]:
    """The engine's own work on a record that it reads: its values, what the other end would store, its print
    and its match keys."""
    from syncline.mapping.module import ModuleMap, Side
    from syncline.run.workspace import Workspace
    from syncline_load import CATALOGUE

    with tempfile.TemporaryDirectory(prefix="syncline-bench-") as name:
        spec = Path(name) / "job.yaml"
        nowhere = "http://127.0.0.1:1"
        spec.write_text(spec_text("job", f"{nowhere}/crm", f"{nowhere}/books"), encoding="utf-8")
        with Workspace(spec, None, {}) as work:
            module = work.module("accounts")
            ends = (CATALOGUE.module("accounts"), CATALOGUE.module("customers"))
            assert ends[0] is not None
            assert ends[1] is not None
            maps = ModuleMap(module, (ends[0], ends[1]), work.expressions)

    def both(record: Any) -> tuple[dict[str, Any], dict[str, Any], str]:
        projection = maps.project(Side.LEFT, record, "2026-01-01")
        maps.render(Side.LEFT, projection)
        assert not projection.faults
        return projection.own, projection.out, projection.keys[0]

    return both


def _microseconds(function: Callable[[Any], Any], items: list[Any]) -> float:
    started = time.process_time()
    for _ in range(5):
        for item in items:
            function(item)
    return round((time.process_time() - started) * 1e6 / 5 / len(items), 2)
