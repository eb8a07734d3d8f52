"""The HTTP client on real sockets, against a server that breaks off at every point of an exchange."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from syncline.connect import AnswerLost, HttpClient, RemoteProtocolError, RemoteUnavailable
from syncline.connect.sandbox import (
    Fault,
    FaultKind,
    Reply,
    Request,
    Route,
    Sandbox,
    SandboxServer,
    SandboxSettings,
    World,
)
from syncline.connect.waiting import Waiting


class Things(Sandbox):
    """A remote with one path."""

    name = "things"

    def routes(self) -> Sequence[Route]:
        return [Route(method, "/things", self._serve) for method in ("GET", "POST", "PUT")]

    def _serve(self, request: Request) -> Reply:
        return Reply.json({"things": ["x" * 1000], "sent": request.body.decode()})

    def not_found(self, request: Request) -> Reply:
        return Reply.json({"error": "no such path"}, 404)

    def seed(self, world: World) -> None:
        raise NotImplementedError

    def credentials(self) -> dict[str, Any]:
        return {}

    def records(self, module: str) -> list[dict[str, Any]]:
        raise KeyError(module)

    def act(
        self, action: str, module: str, record_id: str | None, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        raise KeyError(module)


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    made = SandboxServer(Things(SandboxSettings()))
    yield made
    made.close()


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with HttpClient(waiting=Waiting(sleep=lambda _s: None), timeout_s=0.5) as made:
        yield made


def requests(server: SandboxServer) -> int:
    return sum(count for _, _, count in server.counts())


BREAKS = [
    pytest.param(Fault(kind=FaultKind.REFUSE), id="reset before it is processed"),
    pytest.param(Fault(kind=FaultKind.LOSE), id="processed, then reset"),
    pytest.param(Fault(kind=FaultKind.TRUNCATE), id="reset in the middle of the answer"),
    pytest.param(Fault(kind=FaultKind.SLOW, delay_s=1.0), id="silent for longer than the timeout"),
]


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize("warm", [False, True], ids=["first use", "a connection that was in use"])
def test_a_read_survives_and_a_write_is_neither_repeated_nor_forgotten(
    fault: Fault, warm: bool, server: SandboxServer, client: HttpClient
) -> None:
    url = f"{server.base_url}/things"
    if warm:
        client.request("GET", url)
    server.sandbox.faults.arm(fault)
    assert client.request("GET", url).json()["sent"] == ""
    server.reset_counts()
    server.sandbox.faults.arm(fault)
    with pytest.raises(AnswerLost):
        client.request("PUT", url, json={"n": 1})
    assert requests(server) <= 1
    server.sandbox.faults.arm(fault)
    assert client.request("PUT", url, json={"n": 1}, repeatable=True).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_remote_that_is_down_is_unavailable_even_for_a_write(method: str, client: HttpClient) -> None:
    with socket.socket() as taken:  # bound, so that nobody else listens there; never listening
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(RemoteUnavailable, match="cannot be reached"):
            client.request(method, f"http://127.0.0.1:{taken.getsockname()[1]}/things")
    assert sum(client.counts().values()) == 4


def test_broken_json_and_error_pages_reach_the_connector_as_what_they_are(
    server: SandboxServer, client: HttpClient
) -> None:
    url = f"{server.base_url}/things"
    server.sandbox.faults.arm(Fault(kind=FaultKind.MALFORMED))
    with pytest.raises(RemoteProtocolError, match="not JSON"):
        client.request("GET", url).json()
    server.sandbox.faults.arm(Fault(kind=FaultKind.HTML, status=500))
    reply = client.request("PUT", url, json={})
    assert reply.status == 500
    assert "Something went wrong" in reply.text
    assert client.request("GET", f"{server.base_url}/nowhere").status == 404


def test_a_write_that_was_stored_and_answered_503_is_not_sent_again(
    server: SandboxServer, client: HttpClient
) -> None:
    server.sandbox.faults.arm(Fault(kind=FaultKind.STATUS_AFTER, status=503))
    assert client.request("PUT", f"{server.base_url}/things", json={}).status == 503
    assert requests(server) == 1


# --- certificates -----------------------------------------------------------------------------------------


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a server whose certificate it has made itself, and what it was asked."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1).not_valid_before(now)
    made = made.not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Kept quiet."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up on this certificate does what it should."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/things", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_that_nobody_vouches_for_is_refused(
    impostor: tuple[str, list[str]], client: HttpClient
) -> None:
    url, asked = impostor
    with pytest.raises(RemoteUnavailable, match=r"certificate of 127\.0\.0\.1 cannot be trusted"):
        client.request("GET", url)
    assert asked == []
    assert sum(client.counts().values()) == 1
