"""The Airbyte declarative CDK reading both ends: ``python airbyte_peer.py CRM_URL BOOKS_URL``.

A manifest of two streams, run as its own command line runs it. Every record becomes a message, which is
counted and thrown away.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource


def stream(url: str, module: str) -> dict[str, Any]:
    option = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "page"}
    paginator = {
        "type": "DefaultPaginator",
        "page_token_option": option,
        "pagination_strategy": {
            "type": "CursorPagination",
            "cursor_value": "{{ response['next'] }}",
            "stop_condition": "{{ not response['next'] }}",
        },
    }
    retriever = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": url, "path": f"/{module}", "http_method": "GET"},
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["records"]},
        },
        "paginator": paginator,
    }
    loader = {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}}
    return {
        "type": "DeclarativeStream",
        "name": module,
        "primary_key": ["id"],
        "retriever": retriever,
        "schema_loader": loader,
    }


def main(*urls: str) -> None:
    modules = ("accounts", "customers")
    streams = [stream(url, module) for url, module in zip(urls, modules, strict=True)]
    manifest = {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [modules[0]]},
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        "streams": streams,
    }
    configured = [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for name in modules
    ]
    catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": configured})
    with tempfile.TemporaryDirectory() as name:
        files = {"config": {}, "catalog": {"streams": configured}}
        words = ["read"]
        for key, content in files.items():
            file = Path(name) / f"{key}.json"
            file.write_text(json.dumps(content), encoding="utf-8")
            words += [f"--{key}", str(file)]
        source = ConcurrentDeclarativeSource(catalog=catalog, config={}, state=None, source_config=manifest)
        count = 0
        for message in AirbyteEntrypoint(source).run(AirbyteEntrypoint.parse_args(words)):
            count += '"type":"RECORD"' in message
    print(json.dumps({"records": count}))


if __name__ == "__main__":
    main(*sys.argv[1:])
