"""Where requests go: never in the clear, never where a reply leads, never to whom nobody vouches for.

The rule, in one place (`connect/http.py`, ``check_url``): https anywhere; plain http to this machine alone,
where the sandboxes are. Redirects are followed nowhere.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.security.conftest import RawServer, reply
from tests.support.stage import Stage, in_process
from tests.support.tally import Tally

from syncline.connect import HttpClient, RemoteProtocolError, RemoteUnavailable
from syncline.connect import http as http_module
from syncline.connect.contract import OAuth
from syncline.connect.http import UrlRefused, check_url
from syncline.connect.oauth import Client, TokenEndpoint
from syncline.run.installed import installed_plugins
from syncline.spec.addresses import check_base_url

Serve = Callable[..., RawServer]

REFUSED = [
    "http://api.example/x",
    "http://169.254.169.254/latest/meta-data",
    "http://10.0.0.1/",
    "http://[fe80::1]/",
    "http://127.0.0.1.evil.example/",
    "http://localhost.evil.example/",
    "http://localhost@evil.example/",
    "http://evil.example#@127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://0.0.0.0/",
    "http://[::]/",
    "https://user:secret-of-theirs@api.example/",
    "https://аpi.example/",
    "https://api.example\\@evil.example/",
    "https://api.example/\r\nHost: evil.example",
    "https://api.example/\x00",
    "//evil.example/",
    "ftp://api.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/_MAIL",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
]


@pytest.mark.parametrize("url", REFUSED)
def test_an_address_in_the_clear_or_of_another_kind_is_refused(url: str, tally: Tally) -> None:
    tally("hostile inputs")
    with pytest.raises(UrlRefused) as caught:
        check_url(url)
    assert "secret-of-theirs" not in str(caught.value)
    assert check_base_url(url) is not None


def test_a_spec_that_names_one_is_told_before_anything_is_sent(tmp_path: Path, tally: Tally) -> None:
    spec = (Path(__file__).parents[2] / "specs/examples/acme.yaml").read_text()
    with Stage(tmp_path, spec=spec) as stage:
        for url in ("http://169.254.169.254", "http://api.example"):
            tally("hostile inputs")
            text = re.sub(r"\$\{env:XERO_BASE_URL[^}]*\}", url, spec)
            assert text != spec
            stage.spec.write_text(text)
            done = stage.run("validate")
            assert done.code == 3
            assert "bad-base-url" in done.out
            done = stage.run("connect", "books", "--grant", "client-credentials")
            assert done.code == 3
            # From the environment it is known only when it is used, and refused then.
            stage.spec.write_text(spec)
            environ = stage.environ() | {"XERO_BASE_URL": url}
            done = in_process(["connect", str(stage.spec), "books", "--no-browser"], environ, stage.now)
            assert done.code == 1
            assert "would send data and tokens in the clear" in done.err
        assert stage.systems["books"].requests() == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_takes_nothing_anywhere(
    status: int, method: str, serve: Serve, client: HttpClient, tally: Tally
) -> None:
    tally("hostile inputs")
    thief = serve(lambda _: reply(b"{}"))
    remote = serve(lambda _: reply(b"", status=f"{status} Moved", Location=f"{thief.url}/collect"))
    with pytest.raises(RemoteProtocolError, match="redirects are not followed"):
        client.request(method, f"{remote.url}/x", headers={"authorization": "Bearer canary-of-a-token"})
    assert len(remote.seen) == 1
    assert thief.seen == []


def test_a_token_endpoint_that_redirects_takes_no_secret_anywhere(serve: Serve, tally: Tally) -> None:
    tally("hostile inputs")
    thief = serve(lambda _: reply(b"{}"))
    remote = serve(lambda _: reply(b"", status="307 Moved", Location=f"{thief.url}/collect"))
    oauth = OAuth(authorize_url=remote.url, token_url=f"{remote.url}/token", scopes=())
    endpoint = TokenEndpoint()
    with pytest.raises(RemoteProtocolError, match="redirects"):
        endpoint.refresh(oauth, Client(id="us", secret="canary-of-a-secret"), "canary-of-a-refresh-token")
    assert thief.seen == []
    plain = OAuth(authorize_url="http://a.example", token_url="http://a.example/token", scopes=())
    with pytest.raises(UrlRefused):
        endpoint.refresh(plain, Client(id="us", secret="canary-of-a-secret"), "canary-of-a-refresh-token")
    endpoint.close()


@pytest.mark.parametrize("named", [
    "https://evil.example", "http://accounts.zoho.eu", "https://accounts.zoho.eu.evil.example",
    "https://accounts.zoho.eu@evil.example", "https://accounts.zoho.eu/../..", "//accounts.zoho.eu", "",
])  # fmt: skip
def test_a_region_that_a_redirect_or_a_reply_names_is_believed_only_when_it_is_one(
    named: str, tally: Tally
) -> None:
    """Any web page can call the callback of a sign-in; the region that it names must not be any host."""
    for connector in installed_plugins().connectors.values():
        tally("hostile inputs")
        told = {"accounts-server": named, "location": named, "api_domain": named}
        before, after = connector.oauth({}, {}), connector.oauth({}, told)
        assert (after.token_url, after.revoke_url) == (before.token_url, before.revoke_url)


# --- certificates ----------------------------------------------------------------------------------------


def _certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    """A server that signed its certificate itself, and the file of that certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    address = host.replace(".", "").isdigit()
    alternative: Any = x509.IPAddress(ipaddress.ip_address(host)) if address else x509.DNSName(host)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([alternative]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = folder / f"{host}-key.pem"
    both.write_bytes(file.read_bytes() + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, file


#: What switches the checks of other programs off.
SWITCHES = {
    "PYTHONHTTPSVERIFY": "0",
    "SSL_VERIFY": "false",
    "SSL_NO_VERIFY": "1",
    "HTTPX_VERIFY": "false",
    "CURL_CA_BUNDLE": "",
    "REQUESTS_CA_BUNDLE": "",
    "GIT_SSL_NO_VERIFY": "true",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "SYNCLINE_INSECURE": "1",
    "SYNCLINE_VERIFY": "0",
}


@pytest.fixture
def fresh_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not yet read its certificate authorities."""
    monkeypatch.setattr(http_module, "_context", None)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("fresh_context")
def test_a_certificate_that_nobody_vouches_for_is_refused_whatever_the_environment_says(
    serve: Serve, client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    tally("hostile inputs", len(SWITCHES))
    for name, value in SWITCHES.items():
        monkeypatch.setenv(name, value)
    context, _ = _certificate(tmp_path, "127.0.0.1")
    server = serve(lambda _: reply(b"{}"), context)
    with pytest.raises(RemoteUnavailable, match=r"certificate of 127\.0\.0\.1 cannot be trusted") as caught:
        client.request("GET", server.url, headers={"authorization": "Bearer canary-of-a-token"})
    assert "SSL_CERT_FILE" in caught.value.fix
    assert server.seen == []


@pytest.mark.usefixtures("fresh_context")
def test_an_authority_of_ones_own_can_be_added_but_vouches_for_its_hosts_alone(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """The one thing of the environment that counts: which authorities are trusted, never whether any is."""
    tally("hostile inputs")
    good, authority = _certificate(tmp_path, "127.0.0.1")
    wrong, other = _certificate(tmp_path, "books.example")
    both = tmp_path / "both.pem"
    both.write_bytes(authority.read_bytes() + other.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(both))
    with HttpClient(timeout_s=5) as client:
        assert client.request("GET", serve(lambda _: reply(b"{}"), good).url).status == 200
        with pytest.raises(RemoteUnavailable, match="cannot be trusted"):
            client.request("GET", serve(lambda _: reply(b"{}"), wrong).url)


def test_no_code_of_the_product_can_switch_the_checks_off(tally: Tally) -> None:
    """The demonstration apart, whose browser follows the sandbox's consent page back to the callback."""
    root = Path(__file__).parents[2]
    marks = (
        "verify=False",
        "CERT_NONE",
        "check_hostname = False",
        "_create_unverified",
        "follow_redirects=True",
    )
    files = [*root.glob("engine/**/*.py"), *root.glob("plugins/*/src/**/*.py")]
    assert len(files) > 100
    found = [
        f"{file}: {mark}"
        for file in files
        for mark in marks
        if file.parent.name != "demo" and mark in file.read_text()
    ]
    assert found == []


def test_a_proxys_password_is_in_no_message(
    serve: Serve, client: HttpClient, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    """Proxies of the environment count for the network, with their own credentials in their address."""
    tally("hostile inputs", 2)
    refusing = serve(lambda _: reply(b"no", status="407 Authentication Required"))
    for port in (refusing.port, 9):
        monkeypatch.setenv("HTTPS_PROXY", f"http://us:canary-of-a-proxy@127.0.0.1:{port}")
        with (
            HttpClient(label="the books", waiting=client._waiting, timeout_s=5) as proxied,
            pytest.raises(RemoteUnavailable) as caught,
        ):
            proxied.request("GET", "https://api.example/x")
        chain: BaseException | None = caught.value
        while chain is not None:
            assert "canary-of-a-proxy" not in f"{chain} {chain!r}"
            chain = chain.__cause__ or chain.__context__
    assert b"CONNECT api.example:443" in refusing.seen[0]
    assert json.dumps(dict(os.environ)).count("canary-of-a-proxy") == 1
