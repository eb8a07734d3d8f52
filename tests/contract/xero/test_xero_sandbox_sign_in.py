"""The sandbox signs in, refreshes, revokes and limits as Xero documents."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from syncline.connect.sandbox import Fault, FaultKind

Remote = Any


def refresh(remote: Remote, token: str) -> Any:
    return remote.token(grant_type="refresh_token", refresh_token=token)


def test_the_code_comes_back_with_the_state(remote: Remote) -> None:
    location = urlsplit(remote.authorize().headers["location"])
    assert parse_qs(location.query)["state"] == ["st&te"]
    assert f"{location.scheme}://{location.netloc}{location.path}" == remote.credentials["redirect_uri"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"redirect_uri": "http://127.0.0.1:8000/cb"}, "redirect_uri", id="numeric loopback"),
        pytest.param({"redirect_uri": "http://example.org/cb"}, "redirect_uri", id="plain http elsewhere"),
        pytest.param({"client_id": "nobody"}, "unauthorized_client", id="unknown client"),
        pytest.param({"scope": "accounting.everything"}, "invalid_scope", id="unknown scope"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit flow"),
        pytest.param(
            {"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request", id="plain"
        ),
    ],
)
def test_the_login_page_refuses(remote: Remote, changes: dict[str, str], word: str) -> None:
    answer = remote.authorize(**changes)
    assert answer.status_code == 400
    assert word in answer.text


@pytest.mark.parametrize("uri", ["http://localhost:1234/any/path", "https://app.example/cb"])
def test_the_login_page_takes(remote: Remote, uri: str) -> None:
    assert remote.authorize(redirect_uri=uri).headers["location"].startswith(uri)


def test_a_code_works_once_and_five_minutes(remote: Remote) -> None:
    form = {"grant_type": "authorization_code", "redirect_uri": remote.credentials["redirect_uri"]}
    code = remote.code()
    assert remote.token(**form, code=code).status_code == 200
    again = remote.token(**form, code=code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})
    late = remote.code()
    remote.sandbox.clock.advance(301)
    assert remote.token(**form, code=late).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_verifier": "w" * 50}, id="wrong verifier"),
        pytest.param({}, id="no verifier"),
        pytest.param({"redirect_uri": "http://localhost:1/other"}, id="other redirect"),
    ],
)
def test_a_code_is_bound_to_its_request(remote: Remote, changes: dict[str, str]) -> None:
    code = remote.code(code_challenge="a" * 43, code_challenge_method="S256")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": remote.credentials["redirect_uri"],
    }
    assert remote.token(**{**form, **changes}).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        pytest.param(("nobody", "x"), "invalid_client", id="unknown client"),
        pytest.param(("", ""), "unauthorized_client", id="empty client"),
    ],
)
def test_the_client_must_prove_itself(remote: Remote, auth: tuple[str, str], error: str) -> None:
    answer = remote.http.post("/connect/token", data={"grant_type": "refresh_token"}, auth=auth)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_an_unknown_grant_is_refused(remote: Remote) -> None:
    assert remote.token(grant_type="password").json() == {"error": "unsupported_grant_type"}


def test_access_tokens_last_half_an_hour(remote: Remote) -> None:
    assert remote.tokens["expires_in"] == 1800
    remote.sandbox.clock.advance(1799)
    assert remote.get("/Organisation").status_code == 200
    remote.sandbox.clock.advance(2)
    answer = remote.get("/Organisation")
    assert answer.status_code == 401
    assert answer.json()["Detail"].startswith("TokenExpired")


def test_refresh_tokens_rotate_with_half_an_hour_of_grace(remote: Remote) -> None:
    first = remote.tokens["refresh_token"]
    second = refresh(remote, first).json()["refresh_token"]
    assert second != first
    third = refresh(remote, first).json()["refresh_token"]
    assert refresh(remote, second).json() == {"error": "invalid_grant"}
    remote.sandbox.clock.advance(1801)
    assert refresh(remote, first).json() == {"error": "invalid_grant"}
    assert refresh(remote, third).status_code == 200


def test_the_grace_can_be_turned_off(remote: Remote) -> None:
    remote.sandbox.switches["refresh_grace"] = False
    first = remote.tokens["refresh_token"]
    assert refresh(remote, first).status_code == 200
    assert refresh(remote, first).json() == {"error": "invalid_grant"}


def test_refresh_tokens_die_unused_after_sixty_days(remote: Remote) -> None:
    remote.sandbox.clock.advance(60 * 86_400 + 1)
    assert refresh(remote, remote.tokens["refresh_token"]).json() == {"error": "invalid_grant"}


def test_no_refresh_token_without_offline_access(remote: Remote) -> None:
    tokens = remote.sign_in(scope="accounting.contacts")
    assert "refresh_token" not in tokens
    assert "id_token" not in tokens


def test_a_custom_connection_needs_no_tenant_header(remote: Remote) -> None:
    tokens = remote.token(grant_type="client_credentials", scope="accounting.settings.read").json()
    assert "refresh_token" not in tokens
    remote.use(tokens["access_token"])
    del remote.http.headers["xero-tenant-id"]
    assert remote.get("/Organisation").json()["Organisations"][0]["OrganisationID"] == remote.tenant
    assert [c["tenantId"] for c in remote.http.get("/connections").json()] == [remote.tenant]
    other = remote.get("/Organisation", headers={"xero-tenant-id": remote.other_tenant})
    assert other.status_code == 403


def test_connections_list_both_organisations_and_filter_by_consent(remote: Remote) -> None:
    del remote.http.headers["xero-tenant-id"]
    rows = remote.http.get("/connections").json()
    assert [r["tenantId"] for r in rows] == [remote.tenant, remote.other_tenant]
    assert {r["tenantType"] for r in rows} == {"ORGANISATION"}
    assert remote.http.get("/connections", params={"authEventId": "x"}).json() == []


def test_one_organisation_alone_when_bulk_is_off(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("empty")
    for row in remote.http.get("/connections").json():
        assert remote.http.delete(f"/connections/{row['id']}").status_code == 204
    remote.code(acr_values="bulk_connect:false")
    assert [r["tenantId"] for r in remote.http.get("/connections").json()] == [remote.tenant]


def test_a_deleted_connection_closes_its_organisation_alone(remote: Remote) -> None:
    row = remote.http.get("/connections").json()[0]
    assert remote.http.delete(f"/connections/{row['id']}").status_code == 204
    assert remote.http.delete(f"/connections/{row['id']}").status_code == 404
    refused = remote.get("/Organisation")
    assert (refused.status_code, refused.json()["Detail"]) == (403, "AuthenticationUnsuccessful")
    other = remote.get("/Organisation", headers={"xero-tenant-id": remote.other_tenant})
    assert other.json()["Organisations"][0]["BaseCurrency"] == "NZD"


def test_revocation_ends_every_connection(remote: Remote) -> None:
    form = {"token": remote.tokens["refresh_token"]}
    answer = remote.http.post("/connect/revocation", data=form, auth=remote.client)
    assert (answer.status_code, answer.content) == (200, b"")
    assert refresh(remote, remote.tokens["refresh_token"]).json() == {"error": "invalid_grant"}
    assert remote.get("/Organisation").status_code == 403


@pytest.mark.parametrize(
    ("headers", "status", "detail"),
    [
        pytest.param({"Authorization": "Bearer x"}, 401, "AuthenticationUnsuccessful", id="unknown token"),
        pytest.param({"xero-tenant-id": "x"}, 403, "AuthenticationUnsuccessful", id="foreign tenant"),
        pytest.param({"xero-tenant-id": ""}, 403, "AuthenticationUnsuccessful", id="no tenant"),
        pytest.param({"Accept": "*/*"}, 406, None, id="JSON not asked for"),
    ],
)
def test_calls_without_the_right_headers(
    remote: Remote, headers: dict[str, str], status: int, detail: str | None
) -> None:
    answer = remote.get("/Contacts", headers=headers)
    assert answer.status_code == status
    if detail is not None:
        assert answer.json()["Detail"] == detail
        assert answer.json()["Status"] == status


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("accounting.contacts.read", "GET", "/Contacts", 200),
        ("accounting.contacts.read", "POST", "/Contacts", 401),
        ("accounting.contacts", "GET", "/Contacts", 200),
        ("accounting.contacts", "GET", "/Invoices", 401),
        ("accounting.transactions.read", "GET", "/Invoices", 200),
        ("accounting.invoices", "GET", "/Items", 200),
        ("accounting.invoices", "GET", "/Payments", 401),
        ("accounting.settings.read", "GET", "/Accounts", 200),
        ("accounting.settings.read", "POST", "/Items", 401),
    ],
)
def test_scopes_open_their_endpoints(remote: Remote, scope: str, method: str, path: str, status: int) -> None:
    remote.sign_in(scope=scope)
    body = {"Name": "x"} if method == "POST" else None
    answer = remote.http.request(method, f"/api.xro/2.0{path}", json=body)
    assert answer.status_code == status
    if status == 401:
        assert answer.json()["Detail"] == "AuthorizationUnsuccessful"


def test_the_minute_limit_is_a_fixed_window(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("empty", limits=True)
    clock = remote.sandbox.clock
    clock.advance(remote.sandbox.limits.until_next(remote.tenant, 60))
    left = [int(remote.get("/Organisation").headers["x-minlimit-remaining"]) for _ in range(60)]
    assert left == list(range(59, -1, -1))
    refused = remote.get("/Organisation")
    assert (refused.status_code, refused.headers["x-rate-limit-problem"]) == (429, "minute")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60
    other = remote.get("/Organisation", headers={"xero-tenant-id": remote.other_tenant})
    assert other.status_code == 200
    clock.advance(wait)
    assert remote.get("/Organisation").status_code == 200


def test_the_day_limit_follows_its_switch(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("empty", limits=True)
    remote.sandbox.switches["day_limit"] = 3
    left = [remote.get("/Organisation").headers["x-daylimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = remote.get("/Organisation")
    assert (refused.status_code, refused.headers["x-rate-limit-problem"]) == (429, "day")
    assert int(refused.headers["retry-after"]) > 60


def test_the_sixth_call_at_once_is_refused(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote("empty", limits=True)
    with remote.sandbox.lock, ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(remote.get, "/Organisation") for _ in range(8)]
        while remote.server._in_flight < 8:
            pass
        remote.sandbox.lock.release()
        try:
            answers = [call.result() for call in calls]
        finally:
            remote.sandbox.lock.acquire()
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) >= 1
    assert all(a.headers["x-rate-limit-problem"] == "concurrent" for a in refused)
    assert all("retry-after" not in a.headers for a in refused)


def test_without_limits_the_headers_promise_plenty(remote: Remote) -> None:
    answers = [remote.get("/Organisation") for _ in range(70)]
    assert {a.status_code for a in answers} == {200}
    assert {a.headers["x-minlimit-remaining"] for a in answers} == {"10000"}


@pytest.mark.parametrize(
    ("name", "status", "mark"),
    [
        ("minute", 429, "minute"),
        ("day", 429, "day"),
        ("concurrent", 429, "concurrent"),
        ("token-expired", 401, "TokenExpired"),
        ("scope", 401, "AuthorizationUnsuccessful"),
        ("disconnected", 403, "AuthenticationUnsuccessful"),
        ("unavailable", 503, "offline"),
        ("organisation-offline", 503, "not active"),
    ],
)
def test_the_remote_has_faults_of_its_own(remote: Remote, name: str, status: int, mark: str) -> None:
    remote.sandbox.faults.arm(Fault(kind=FaultKind.REMOTE, name=name, path="/api"))
    answer = remote.get("/Organisation")
    assert answer.status_code == status
    assert mark in answer.text + answer.headers.get("x-rate-limit-problem", "")
    assert "xero-correlation-id" in answer.headers
    assert remote.get("/Organisation").status_code == 200


def test_an_unknown_path_is_answered_in_plain_text(remote: Remote) -> None:
    answer = remote.get("/Nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "The resource you're looking for cannot be found"
