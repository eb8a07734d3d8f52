"""The sandbox's accounts server: grants, refusals, lives, throttles, evictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from zoho_remote import Remote, code_from, exchange, start

REDIRECT = "http://localhost:9123/callback"


def authorize(remote: Remote, **changes: str) -> httpx.Response:
    params = {
        "response_type": "code",
        "client_id": remote.sandbox.credentials()["client_id"],
        "scope": "ZohoCRM.modules.ALL,ZohoCRM.org.READ",
        "redirect_uri": REDIRECT,
        "access_type": "offline",
        "state": "s1",
        **changes,
    }
    return httpx.get(f"{remote.server.base_url}/oauth/v2/auth", params=params)


def token_call(remote: Remote, **form: str) -> httpx.Response:
    credentials = remote.sandbox.credentials()
    body = {"client_id": credentials["client_id"], "client_secret": credentials["client_secret"], **form}
    return httpx.post(f"{remote.server.base_url}/oauth/v2/token", data=body)


def refresh(remote: Remote) -> dict[str, Any]:
    answer = token_call(remote, grant_type="refresh_token", refresh_token=remote.refresh_token)
    found: dict[str, Any] = answer.json()
    return found


def call(remote: Remote, token: str) -> httpx.Response:
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    return httpx.get(f"{remote.server.base_url}/crm/v8/org", headers=headers)


def test_the_code_flow_says_where_the_account_lives(remote: Remote) -> None:
    reply = authorize(remote)
    query = parse_qs(urlsplit(reply.headers["location"]).query)
    assert reply.status_code == 302
    assert query["state"] == ["s1"]
    assert query["location"] == ["au"]
    assert query["accounts-server"] == [remote.server.base_url]
    tokens = exchange(remote.server, query["code"][0], REDIRECT)
    assert tokens["api_domain"] == remote.server.base_url
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    assert call(remote, tokens["access_token"]).status_code == 200


def test_only_offline_access_gets_a_refresh_token(remote: Remote) -> None:
    code = code_from(authorize(remote, access_type="online").headers["location"])
    assert "refresh_token" not in exchange(remote.server, code, REDIRECT)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"client_id": "1000.NOBODY"}, id="unknown-client"),
        pytest.param({"redirect_uri": "https://elsewhere.example/callback"}, id="unregistered-redirect"),
        pytest.param({"scope": "Nonsense.all"}, id="unknown-scope"),
        pytest.param({"response_type": "token"}, id="implicit-flow"),
    ],
)
def test_a_wrong_authorisation_request_never_redirects(remote: Remote, changes: dict[str, str]) -> None:
    reply = authorize(remote, **changes)
    assert reply.status_code == 400
    assert "location" not in reply.headers


@pytest.mark.parametrize(
    ("form", "error"),
    [
        pytest.param({"grant_type": "authorization_code", "code": "no"}, "invalid_code", id="bad-code"),
        pytest.param(
            {"grant_type": "refresh_token", "refresh_token": "no"}, "invalid_code", id="bad-refresh"
        ),
        pytest.param(
            {"client_id": "1000.NO", "grant_type": "refresh_token"}, "invalid_client", id="bad-client"
        ),
        pytest.param({"client_secret": "no"}, "invalid_client_secret", id="bad-secret"),
        pytest.param({"grant_type": "password"}, "unsupported_grant_type", id="bad-grant"),
    ],
)
def test_token_errors_answer_200(remote: Remote, form: dict[str, str], error: str) -> None:
    reply = token_call(remote, **form)
    assert (reply.status_code, reply.json()) == (200, {"error": error})


def test_a_code_works_once_with_its_own_redirect_and_for_two_minutes(remote: Remote) -> None:
    code = code_from(authorize(remote).headers["location"])
    assert exchange(remote.server, code, "http://localhost:1/x") == {"error": "invalid_redirect_uri"}
    assert "access_token" in exchange(remote.server, code, REDIRECT)
    assert exchange(remote.server, code, REDIRECT) == {"error": "invalid_code"}
    late = code_from(authorize(remote).headers["location"])
    remote.pass_time(121)
    assert exchange(remote.server, late, REDIRECT) == {"error": "invalid_code"}


def test_access_tokens_live_an_hour_and_refresh_tokens_stay(remote: Remote) -> None:
    remote.pass_time(3601)
    refused = call(remote, remote.token)
    assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_TOKEN")
    renewed = refresh(remote)
    assert "refresh_token" not in renewed
    assert call(remote, renewed["access_token"]).status_code == 200


def test_a_revoked_refresh_token_takes_its_access_tokens_along(remote: Remote) -> None:
    url = f"{remote.server.base_url}/oauth/v2/token/revoke"
    assert httpx.post(url, data={"token": remote.refresh_token}).json() == {"status": "success"}
    assert call(remote, remote.token).status_code == 401
    assert refresh(remote) == {"error": "invalid_code"}


def test_the_sixteenth_access_token_kills_the_first(remote: Remote) -> None:
    for _ in range(15):
        last = refresh(remote)["access_token"]
    refused = call(remote, remote.token)
    assert (refused.status_code, refused.json()["code"]) == (401, "INVALID_OAUTHTOKEN")
    assert call(remote, last).status_code == 200


def test_the_eleventh_refresh_within_ten_minutes_is_refused(limited: Remote) -> None:
    assert all("access_token" in refresh(limited) for _ in range(10))
    assert refresh(limited)["error"] == "Access Denied"
    limited.pass_time(601)
    assert "access_token" in refresh(limited)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        pytest.param(None, "AUTHENTICATION_FAILURE", id="none"),
        pytest.param("Basic abc", "AUTHENTICATION_FAILURE", id="other-scheme"),
        pytest.param("Zoho-oauthtoken nonsense", "INVALID_TOKEN", id="unknown-token"),
    ],
)
def test_bad_authorization_headers(remote: Remote, authorization: str | None, code: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    reply = httpx.get(f"{remote.server.base_url}/crm/v8/org", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, code)


@pytest.fixture(scope="module")
def narrow() -> Iterator[tuple[Remote, str]]:
    """A sign-in that may read accounts and settings fields, and nothing else."""
    for remote in start():
        scope = "ZohoCRM.modules.accounts.READ,ZohoCRM.settings.fields.READ"
        code = code_from(authorize(remote, scope=scope).headers["location"])
        yield remote, exchange(remote.server, code, REDIRECT)["access_token"]


@pytest.mark.parametrize(
    ("method", "path", "granted"),
    [
        pytest.param("GET", "/crm/v8/Accounts?fields=Account_Name", True, id="read-accounts"),
        pytest.param("POST", "/crm/v8/Accounts", False, id="create-accounts"),
        pytest.param("GET", "/crm/v8/Contacts?fields=Last_Name", False, id="read-contacts"),
        pytest.param("GET", "/crm/v8/settings/fields?module=Accounts", True, id="fields"),
        pytest.param("GET", "/crm/v8/settings/modules", False, id="modules"),
        pytest.param("POST", "/crm/v8/coql", False, id="coql"),
        pytest.param("GET", "/crm/v8/org", False, id="org"),
        pytest.param("GET", "/crm/v8/Accounts/search?word=a", False, id="search-needs-its-own-scope"),
    ],
)
def test_scopes(narrow: tuple[Remote, str], method: str, path: str, granted: bool) -> None:
    remote, token = narrow
    headers = {"Authorization": f"Zoho-oauthtoken {token}"}
    reply = httpx.request(method, f"{remote.server.base_url}{path}", headers=headers)
    if granted:
        assert reply.status_code in (200, 204)
    else:
        assert (reply.status_code, reply.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")


@pytest.mark.parametrize(
    ("scopes", "module", "granted"),
    [
        ("ZohoCRM.coql.READ", "Invoices", False),
        ("ZohoCRM.coql.READ,ZohoCRM.modules.invoices.READ", "Invoices", True),
        ("ZohoCRM.coql.READ,ZohoCRM.modules.invoices.READ", "Invoiced_Items", True),
        ("ZohoCRM.coql.READ,ZohoCRM.modules.purchaseorders.READ", "Purchase_Orders", True),
        ("ZohoCRM.coql.READ,ZohoCRM.modules.payments.READ", "Payments", False),
        ("ZohoCRM.coql.READ,ZohoCRM.modules.custom.READ", "Payments", True),
    ],
    ids=[
        "a-query-reads-its-module",
        "granted-both",
        "lines-go-by-their-documents",
        "a-name-without-its-underscore",
        "a-custom-module-has-no-scope-of-its-own",
        "but-one-for-all",
    ],
)
def test_what_a_query_needs(remote: Remote, scopes: str, module: str, granted: bool) -> None:
    code = code_from(authorize(remote, scope=scopes).headers["location"])
    token = exchange(remote.server, code, REDIRECT)["access_token"]
    reply = httpx.post(
        f"{remote.server.base_url}/crm/v8/coql",
        json={"select_query": f"select id from {module} where id is not null"},
        headers={"Authorization": f"Zoho-oauthtoken {token}"},
        verify=False,
    )
    assert reply.status_code == (204 if granted else 401)
