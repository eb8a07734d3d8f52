"""What people do in the story, and whether it came to what the story promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from syncline import exactjson
from syncline.demo.check import Checker
from syncline.demo.stage import Stage


class Edit:
    """One thing that people do. ``told``: its part of the story."""

    def __init__(self, stage: Stage, checker: Checker, told: Mapping[str, Any]) -> None:
        self.told = told
        self._stage = stage
        self._checker = checker
        self._module = str(told["subject"]["module"])
        self._name = str(told["subject"].get("name") or self._pair_name(told["subject"]))

    def act(self) -> None:
        """Do it, in the systems' own screens."""
        for step in self.told["do"]:
            create = step["action"] == "create"
            record = None if create else self._id(self._module, step["system"], self._name)
            values = self._filled(step["values"], step["system"])
            self._stage.act(step["system"], step["action"], step["module"], record, values)

    def holds(self) -> bool:
        """Whether both systems now show what the story says."""
        for system, expected in self.told.get("show", {}).items():
            record = self._id(self._module, system, self._name)
            shown = self._checker.shown(self._module, system, record)
            if any(shown[column] != str(value) for column, value in expected.items()):
                return False
        if self.told.get("refused"):
            return any(row["reason"] for row in self.explain()["rests"].values())
        lost = self.told.get("lost")
        return lost is None or lost in exactjson.encode(self.explain()["writes"])

    def why(self) -> list[str]:
        """What `syncline explain` says of it, in short."""
        story = self.explain()
        lines = []
        for write in story["writes"][:2]:
            for name, part in list(write["fields"].items())[:3]:
                rule = f" [{part['rule']}]" if part.get("rule") else ""
                lost = f"; lost: {_short(part['lost'])}" if "lost" in part else ""
                lines.append(f"{write['system']}.{name}: {part['why']}{rule}{lost}")
        lines += [f"{system}: {row['status']}: {row['reason']}" for system, row in story["rests"].items()][:1]
        return lines

    def explain(self) -> dict[str, Any]:
        system = next(iter(self.told["do"]))["system"]
        record = self._id(self._module, system, self._name)
        story: dict[str, Any] = self._stage.run("explain", str(self._stage.spec), self._module, record)
        return story

    def record(self) -> str:
        """The id of the record that it is about, where people first touched it."""
        return self._id(self._module, next(iter(self.told["do"]))["system"], self._name)

    def _id(self, module: str, system: str, name: str) -> str:
        rows = self._checker.rows(module, system, (self._column(module),))
        return next(record for record, row in rows.items() if row[0] == name)

    def _column(self, module: str) -> str:
        return self._checker.first_column(module)

    def _pair_name(self, subject: Mapping[str, Any]) -> str:
        """The name of the N-th record that both systems know under one name, once each. Of invoices, those
        with something left to pay."""
        module = subject["module"]
        columns = self._checker.columns(module)
        counts = []
        for system in self._checker.systems(module):
            rows = self._checker.rows(module, system, columns).values()
            open_only = [row for row in rows if _is_open(dict(zip(columns, row, strict=True)))]
            counts.append(Counter(row[0] for row in open_only if row[0]))
        shared = sorted(name for name, n in counts[0].items() if n == 1 and counts[1][name] == 1)
        return shared[int(subject["pair"])]

    def _filled(self, value: Any, system: str) -> Any:
        """Values with `$name` replaced by the id, in this system, of the record that the story names so."""
        if isinstance(value, str) and value.startswith("$"):
            used = self.told["uses"][value[1:]]
            return self._id(used["module"], system, self._pair_name(used))
        if isinstance(value, dict):
            return {key: self._filled(item, system) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, system) for item in value]
        return value


def _short(value: Any) -> str:
    text = exactjson.encode(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_open(row: Mapping[str, str]) -> bool:
    return row.get("due amount", "1") not in ("", "0.00") and row.get("number", "") != "-"
