"""Signing in, staying signed in, and knowing who is at the other end."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from syncline.connect.conformance.describing import check_discovered
from syncline.connect.conformance.promise import Broken, Case, Chapter, Level, NotApplicable, expect
from syncline.connect.contract import Grant, Organisation
from syncline.connect.errors import ReconnectNeeded, RemoteError, WrongOrganisation
from syncline.connect.oauth import Client

SIGNING_IN = Chapter(Level.CONNECTS)
#: Longer than any access token lives.
_LONG_S = 4 * 3600.0
_CLOCKS_APART = timedelta(seconds=5)
_CHECK_CALLS = 2


@SIGNING_IN.promise("sign-in", "Every grant that oauth() declares signs in, and the session then works.")
def check_grants(case: Case) -> None:
    for grant in case.bench.oauth().grants:
        try:
            session, _, store = case.bench.open(grant)
            session.check()
        except RemoteError as error:
            raise Broken(f"to sign in by {grant.value}", f"{type(error).__name__}: {error.what}") from error
        if grant is not Grant.CLIENT_CREDENTIALS:
            expect(
                store.read().tokens.refresh_token is not None,
                f"a refresh token from the grant {grant.value}",
                "there is none: a person would have to sign in again within the hour",
            )


@SIGNING_IN.promise("bad-credentials", "Credentials of another application end in ReconnectNeeded.")
def check_wrong_secret(case: Case) -> None:
    try:
        case.bench.consent()
    except RemoteError as error:
        raise Broken("the right credentials to sign in", f"{type(error).__name__}: {error.what}") from error
    client = Client(id=case.bench.client.id, secret="of-somebody-else-0000")  # noqa: S106 - a wrong one
    _expect_reconnect("a sign-in with a wrong client secret", lambda: case.bench.consent(client))


@SIGNING_IN.promise("renewal", "A token that the remote let expire is renewed once, and the call succeeds.")
def check_renewal(case: Case) -> None:
    bench = case.bench
    bench.session.check()
    # Our clock stays where it was, so only the remote's 401 can tell.
    bench.advance(_LONG_S)
    bench.behind_s += _LONG_S
    before = bench.tokens.access_token
    asked = _token_calls(case)
    try:
        bench.session.check()
        bench.session.check()
    except RemoteError as error:
        raise Broken(
            "a call with an expired token to succeed", f"{type(error).__name__}: {error.what}"
        ) from error
    expect(bench.tokens.access_token != before, "another access token", "it is still the old one")
    renewals = _token_calls(case) - asked
    expect(renewals == 1, "one renewal", f"the token endpoint was asked {renewals} times")


@SIGNING_IN.promise("revoked", "A revoked sign-in ends in ReconnectNeeded.")
def check_revoked(case: Case) -> None:
    bench = case.bench
    if bench.oauth().revoke_url is None:
        raise NotApplicable("oauth() names no revoke_url")
    bench.session.check()
    bench.endpoint.revoke(bench.oauth(), bench.client, bench.tokens)
    bench.advance(_LONG_S)
    bench.behind_s += _LONG_S
    _expect_reconnect("a call after the sign-in was revoked", bench.session.check)


@SIGNING_IN.promise("check", "check() says who is there and what time it is, in one or two calls.")
def check_check(case: Case) -> None:
    bench = case.bench
    offered = bench.session.organisations()
    before = bench.calls()
    account = bench.session.check()
    calls = bench.calls() - before
    expect(calls <= _CHECK_CALLS, f"at most {_CHECK_CALLS} calls", f"there were {calls}")
    who = account.organisation
    expect(bool(who.id and who.name), "an organisation with id and name", f"it is {who.id!r} {who.name!r}")
    expect(
        who in offered,
        "an organisation that organisations() names too",
        f"{who.name!r} ({who.id}) is not among them",
    )
    if account.server_time is None:
        case.note("check() does not tell the remote's clock, so skew cannot be seen")
        return
    expect(account.server_time.tzinfo is not None, "server_time to be aware", "it has no time zone")
    apart = abs(account.server_time - bench.clock.now())
    expect(apart < _CLOCKS_APART, "the remote's own clock", f"server_time is off by {apart}")


@SIGNING_IN.promise("organisations", "organisations() names what this sign-in may use, each once.")
def check_organisations(case: Case) -> None:
    session, _, _ = case.bench.open(choose=False)
    offered = session.organisations()
    expect(bool(offered), "at least one organisation", "there is none")
    ids = [o.id for o in offered]
    expect(len(ids) == len(set(ids)), "each organisation once", f"the ids are {ids}")
    for seeded in case.bench.credentials.get("organisations", ()):
        expect(seeded["id"] in ids, f"the organisation {seeded['name']!r}", f"the ids are {ids}")


@SIGNING_IN.promise("wrong-organisation", "A connection made for another organisation is refused by check().")
def check_wrong_organisation(case: Case) -> None:
    real = case.bench.choose(case.bench.session.organisations())
    other = Organisation(id=unknown_id(real.id), name="Somebody Else")
    session, _, _ = case.bench.open(organisation=other)
    try:
        account = session.check()
    except WrongOrganisation:
        return
    except RemoteError as error:
        raise Broken("WrongOrganisation", f"{type(error).__name__} was raised: {error.what}") from error
    raise Broken("WrongOrganisation", f"check() answers for {account.organisation.name!r}")


@SIGNING_IN.promise("discover", "discover() gives every module of the catalogue, as sound as the catalogue.")
def check_discover(case: Case) -> None:
    found = case.bench.session.discover()
    for module in case.bench.connector.catalogue().modules:
        live = found.module(module.name)
        if live is None:
            raise Broken(f"the module {module.name}", "discover() lacks it")
        missing = [f.name for f in module.fields if f.required and live.field(f.name) is None]
        expect(not missing, f"the required fields of {module.name}", f"discover() lacks {', '.join(missing)}")
    check_discovered(found)


def unknown_id(known: str) -> str:
    """An id of the same form that the remote does not know: the last letter or digit replaced by others."""
    place = max((i for i, c in enumerate(known) if c.isalnum()), default=None)
    if place is None:
        return known + "0"
    # The whole tail is turned, since neighbouring numbers may well be taken.
    tail = known[-6 : place + 1]
    turned = "".join(str(9 - int(c)) if c.isdigit() else "a" if c == "b" else "b" for c in tail)
    return known[: len(known) - len(known[-6:])] + turned + known[place + 1 :]


def _token_calls(case: Case) -> int:
    path = urlsplit(case.bench.oauth().token_url).path
    return sum(exchange.path == path for exchange in case.bench.exchanges)


def _expect_reconnect(what: str, call: object) -> None:
    assert callable(call)
    try:
        call()
    except ReconnectNeeded:
        return
    except RemoteError as error:
        raise Broken(
            f"ReconnectNeeded from {what}", f"{type(error).__name__} was raised: {error.what}"
        ) from error
    raise Broken(f"ReconnectNeeded from {what}", "it succeeded")
