"""What a first pass reads of its own state: so many rows for a record, however many records there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.support.world import Pair

from syncline.store.database import open_store

PEOPLE = 2_400
#: It is 40 to 70 now; a walk through all of them is thousands.
ROWS_A_RECORD = 300

_READ = """
SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)
    + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)
"""


@pytest.mark.parametrize("agree", [True, False], ids=["all agree", "each has an edit"])
def test_a_first_pass_looks_up_each_record_by_itself(
    tmp_path: Path, postgresql_url: str, agree: bool
) -> None:
    """PostgreSQL has not counted the rows of a first pass yet, so it believes the tables to be nearly empty:
    a join that it is free to plan goes through all rows for each."""
    with open_store(postgresql_url) as database:
        pair = Pair(tmp_path, database)
        for number in range(PEOPLE):
            pair.a.person("people", name=f"Person {number}", phone="1", tax=str(number))
            pair.b.person("people", name=f"Person {number}", phone="1" if agree else "2", tax=str(number))
        before = _rows_read(postgresql_url)
        report = pair.run()
        assert report.status == "done"
    read = (_rows_read(postgresql_url) - before) / (2 * PEOPLE)
    assert read < ROWS_A_RECORD


def _rows_read(url: str) -> int:
    """Told once the connections that read are closed."""
    with open_store(url) as database, database.read() as db:
        return int(db.scalar(sa.text(_READ)) or 0)
