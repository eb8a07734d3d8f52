"""dlt's REST API source over both ends: ``python dlt_peer.py HOW FOLDER CRM_URL BOOKS_URL``.

``read`` only iterates; ``files`` and ``sqlite`` load whole records as its documentation shows, lists in
tables of their own; ``tuned`` loads to files as cheaply as somebody who knows it can: the fields that the job
maps and no others, nested values as one column each, no compression. Those that load ask for changes since
their last run by dlt's own incremental cursor, open at the start, since the remote leaves out the stamp that
it is given.
"""

from __future__ import annotations

import json
import os
import sys

MODULES = ("accounts", "customers")
FIELDS = (
    "id modified name email phone website address tax_number country active terms credit".split(),
    "id modified display_name email_address phone web billing tax country_code status payment_terms "
    "credit_cents".split(),
)


def main(kind: str, folder: str, *urls: str) -> None:
    os.environ |= {
        "DLT_DATA_DIR": folder,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DATA_WRITER__DISABLE_COMPRESSION": str(kind == "tuned"),
    }
    import dlt
    from dlt.sources.rest_api import rest_api_resources

    def resource(end: int) -> object:
        paginator = {"type": "cursor", "cursor_path": "next", "cursor_param": "page"}
        endpoint: dict[str, object] = {"path": MODULES[end], "data_selector": "records"}
        if kind != "read":
            endpoint["params"] = {"since": "{incremental.start_value}"}
            endpoint["incremental"] = {"cursor_path": "modified", "initial_value": "", "range_start": "open"}
        one = {"name": MODULES[end], "endpoint": endpoint} | (
            {"max_table_nesting": 0} if kind == "tuned" else {}
        )
        (made,) = rest_api_resources(
            {"client": {"base_url": urls[end], "paginator": paginator}, "resources": [one]}
        )
        if kind == "tuned":
            made.add_map(lambda row: {name: row.get(name) for name in FIELDS[end]})
        return made

    resources = [resource(0), resource(1)]
    if kind == "read":
        print(json.dumps({"records": sum(1 for made in resources for _ in made)}))
        return
    if kind == "sqlite":
        destination = dlt.destinations.sqlalchemy(f"sqlite:///{folder}/loaded.db")
    else:
        destination = dlt.destinations.filesystem(f"file://{folder}/files")
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="bench", pipelines_dir=folder)
    pipeline.run(resources)
    normalized = pipeline.last_trace.last_normalize_info
    counts = normalized.row_counts if normalized else {}
    print(json.dumps({"records": sum(counts.get(name, 0) for name in MODULES)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
