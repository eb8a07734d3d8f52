"""Which hosts are called for which options, and what is never followed."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from syncline.connect import Grant
from syncline_zoho.crm.connector import ZohoCrmConnector
from syncline_zoho.datacenters import DATA_CENTERS, api_host, find_hosts

LOCAL = "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("options", "accounts", "api"),
    [
        pytest.param({}, "https://accounts.zoho.com", "https://www.zohoapis.com", id="default"),
        pytest.param(
            {"data_center": "ca"}, "https://accounts.zohocloud.ca", "https://www.zohoapis.ca", id="canada"
        ),
        pytest.param(
            {"base_url": "https://www.zohoapis.com.au/"},
            "https://accounts.zoho.com.au",
            "https://www.zohoapis.com.au",
            id="api-host-as-base",
        ),
        pytest.param(
            {"base_url": "https://sandbox.zohoapis.eu"},
            "https://accounts.zoho.eu",
            "https://sandbox.zohoapis.eu",
            id="sandbox-edition",
        ),
        pytest.param({"base_url": LOCAL}, LOCAL, LOCAL, id="all-below-one-address"),
        pytest.param(
            {"base_url": "https://www.zohoapis.com.evil.example"},
            "https://www.zohoapis.com.evil.example",
            "https://www.zohoapis.com.evil.example",
            id="look-alike-is-not-zoho",
        ),
    ],
)
def test_find_hosts(options: dict[str, Any], accounts: str, api: str) -> None:
    hosts = find_hosts(options)
    assert (hosts.accounts, hosts.api) == (accounts, api)


@pytest.mark.parametrize(
    ("options", "api_domain", "expected"),
    [
        ({}, "https://www.zohoapis.eu", "https://www.zohoapis.eu"),
        ({}, "https://evil.example", "https://www.zohoapis.com"),
        ({}, "http://www.zohoapis.eu", "https://www.zohoapis.com"),
        ({}, "", "https://www.zohoapis.com"),
        ({"base_url": LOCAL}, "https://www.zohoapis.eu", LOCAL),
        (
            {"base_url": "https://sandbox.zohoapis.eu"},
            "https://www.zohoapis.eu",
            "https://sandbox.zohoapis.eu",
        ),
    ],
)
def test_the_token_replys_api_domain(options: dict[str, Any], api_domain: str, expected: str) -> None:
    assert api_host(find_hosts(options), {"api_domain": api_domain}) == expected


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://accounts.zoho.eu", "https://accounts.zoho.eu/oauth/v2/token"),
        ("https://evil.example", "https://accounts.zoho.com/oauth/v2/token"),
    ],
)
def test_a_code_goes_to_the_accounts_server_of_the_redirect_if_it_is_zohos(
    server: str, expected: str
) -> None:
    oauth = ZohoCrmConnector().oauth({}, {"accounts-server": server})
    assert oauth.token_url == expected


def test_how_to_sign_in() -> None:
    oauth = ZohoCrmConnector().oauth({"base_url": LOCAL}, {})
    assert oauth.authorize_url == f"{LOCAL}/oauth/v2/auth"
    assert oauth.authorize_params == {"access_type": "offline", "prompt": "consent"}
    assert (oauth.header, oauth.client_auth, oauth.pkce) == ("Zoho-oauthtoken", "body", False)
    assert set(oauth.grants) == {Grant.CODE, Grant.GRANT_TOKEN}
    assert oauth.scope_separator == ","


@pytest.mark.parametrize(
    ("options", "good"),
    [
        ({}, True),
        ({"data_center": "au", "trigger": ["workflow"]}, True),
        ({"data_center": "mars"}, False),
        ({"trigger": ["everything"]}, False),
        ({"datacenter": "au"}, False),
    ],
)
def test_options(options: dict[str, Any], good: bool) -> None:
    schema = ZohoCrmConnector.options_schema
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(options) is good


def test_every_data_centre_has_hosts_of_its_own() -> None:
    assert len({center.api for center in DATA_CENTERS.values()}) == len(DATA_CENTERS)
    assert len({center.accounts for center in DATA_CENTERS.values()}) == len(DATA_CENTERS)
