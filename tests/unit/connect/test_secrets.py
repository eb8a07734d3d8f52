"""Secrets are masked by value and by name, wherever a log record can hold them."""

from __future__ import annotations

import io
import logging

import pytest

from syncline.connect.secrets import MASK, RedactingFilter, Secrets, redact, register


@pytest.mark.parametrize(
    "text",
    [
        'reply {"access_token": "canary-1/x", "expires_in": 1800}',
        "{'refresh_token': 'canary-1'}",
        r"{\"client_secret\": \"canary-1\"}",
        "Authorization: Bearer canary-1",
        "headers={'authorization': 'Acme-oauthtoken canary-1.more'}",
        "POST form grant_type=x&client_secret=canary-1&a=b",
        "GET https://accounts.example/callback?code=canary-1&state=canary-1",
        "password = canary-1",
        "Cookie: canary-1",
    ],
)
def test_a_value_behind_a_secret_name_is_masked(text: str) -> None:
    masked = redact(text)
    assert "canary" not in masked
    assert MASK in masked


def test_a_registered_value_is_masked_wherever_it_stands_and_however_it_is_quoted() -> None:
    secrets = Secrets()
    secrets.register("s3cr3t/+value=", "s3cr3t/+value=longer", None, "", "short")
    text = "a s3cr3t/+value=longer b s3cr3t%2F%2Bvalue%3D c s3cr3t/+value= d short"
    assert secrets.redact(text) == f"a {MASK} b {MASK} c {MASK} d short"


def test_values_that_overlap_leave_nothing_of_each_other() -> None:
    secrets = Secrets()
    secrets.register("first-value-abc", "abc-second-value")
    assert secrets.redact_values("a first-value-abc-second-value b") == f"a {MASK} b"
    assert secrets.redact_values("first-value-abcfirst-value-abc") == MASK * 2


def test_old_values_are_forgotten_before_they_fill_the_memory() -> None:
    secrets = Secrets()
    for n in range(5000):
        secrets.register(f"token-number-{n:06d}")
    assert secrets.redact("token-number-004999") == MASK
    assert secrets.redact("token-number-000000") == "token-number-000000"


def test_ordinary_text_stays() -> None:
    text = "12 records read, 3 tokens of text, page=2&size=100, authorised by Ana"
    assert redact(text) == text


def test_a_log_handler_with_the_filter_never_writes_a_secret() -> None:
    known, unknown = "-".join(("canary", "registered", "value")), "-".join(("canary", "unknown"))
    register(known)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("masked")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("message %s", known)
        try:
            raise ValueError(f"token={unknown} and {known}")
        except ValueError:
            logger.exception("failed", stack_info=True)
    finally:
        logger.removeHandler(handler)
    written = stream.getvalue()
    assert known not in written
    assert unknown not in written
    assert f"ValueError: token={MASK} and {MASK}" in written


def test_a_lasting_secret_is_masked_however_many_tokens_follow() -> None:
    secrets = Secrets()
    secrets.register("the client's own secret", lasting=True)
    for number in range(5_000):
        secrets.register(f"access token {number:06d}")
    assert secrets.redact("sent the client's own secret") == f"sent {MASK}"
