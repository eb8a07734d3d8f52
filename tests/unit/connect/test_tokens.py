"""Keeping tokens alive: one refresh at a time over threads and processes, and no connection lost by it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace
from tokenserver import CLIENT_ID, CLIENT_SECRET, TokenServer

from syncline.connect.contract import Account, Grant, Organisation
from syncline.connect.errors import QuotaExhausted, ReconnectNeeded, RemoteUnavailable
from syncline.connect.http import HttpClient
from syncline.connect.oauth import Client, TokenEndpoint, TokenRefused, Tokens
from syncline.connect.tokens import SavedTokens, TokenKeeper
from syncline.connect.waiting import Waiting
from syncline.store.crypto import Cipher, new_key
from syncline.store.database import Database, StoreError, open_store
from syncline.store.lease import LeaseBusy, Leases
from syncline.store.tables import connection as connection_table
from syncline.store.vault import RECONNECT, Vault, VaultTokens

CLIENT = Client(id=CLIENT_ID, secret=CLIENT_SECRET)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    made = TokenServer()
    yield made
    made.close()


_endpoints: list[TokenEndpoint] = []


def opened(endpoint: TokenEndpoint) -> TokenEndpoint:
    """To be closed after the test."""
    _endpoints.append(endpoint)
    return endpoint


@pytest.fixture(autouse=True)
def close_endpoints() -> Iterator[None]:
    yield
    while _endpoints:
        _endpoints.pop().close()


class Shelf:
    """Tokens in memory, without a lock of its own."""

    def __init__(self, tokens: Tokens) -> None:
        self.saved = SavedTokens(tokens=tokens, version=0)
        self.reads = 0

    def read(self) -> SavedTokens:
        self.reads += 1
        return self.saved

    def save(self, tokens: Tokens, version: int) -> bool:
        if version != self.saved.version:
            return False
        self.saved = SavedTokens(tokens=tokens, version=version + 1)
        return True

    def give_up(self, reason: str, version: int) -> None:
        if version == self.saved.version:
            self.saved = replace(self.saved, dead=reason)

    def lock(self) -> AbstractContextManager[object]:
        return nullcontext()


def tokens_of(reply: dict[str, Any], *, obtained_at: float = 1000.0) -> Tokens:
    return Tokens(
        access_token=reply["access_token"],
        refresh_token=reply.get("refresh_token"),
        obtained_at=obtained_at,
        expires_at=obtained_at + reply["expires_in"],
        scopes=("things.read",),
        extras={"api_domain": "https://first.example", "location": "eu"},
    )


class Clock:
    at = 1000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def keeper_of(
    server: TokenServer, store: Any, clock: Clock | None = None, grant: Grant = Grant.CODE
) -> TokenKeeper:
    waiting = Waiting(sleep=lambda _s: None, **({"now": clock.now} if clock else {}))  # type: ignore[arg-type]
    return TokenKeeper(
        oauth=server.oauth(),
        client=CLIENT,
        grant=grant,
        store=store,
        endpoint=opened(TokenEndpoint(label="the books", waiting=waiting)),
        label="the books",
        waiting=waiting,
    )


# --- one keeper --------------------------------------------------------------------------------------


def test_a_good_token_is_used_without_asking_anyone(server: TokenServer, clock: Clock) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    keeper = keeper_of(server, shelf, clock)
    assert {keeper.authorization() for _ in range(5)} == {"Bearer canary-access-000001"}
    assert shelf.reads == 1
    assert server.seen == []


def test_a_token_near_its_end_is_replaced_saved_and_keeps_what_the_reply_left_out(
    server: TokenServer, clock: Clock
) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    keeper = keeper_of(server, shelf, clock)
    clock.at += 1700
    assert keeper.authorization() == "Bearer canary-access-000002"
    assert shelf.saved.version == 1
    assert shelf.saved.tokens.refresh_token == "canary-refresh-000002"
    assert shelf.saved.tokens.extras == {"api_domain": server.url, "location": "eu"}
    assert keeper.extras == shelf.saved.tokens.extras


def test_a_remote_that_does_not_rotate_keeps_its_refresh_token(server: TokenServer, clock: Clock) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    server.replies = [(200, {"access_token": "canary-access-other", "expires_in": 1800})]
    clock.at += 1700
    keeper_of(server, shelf, clock).authorization()
    assert shelf.saved.tokens.refresh_token == "canary-refresh-000001"
    assert shelf.saved.tokens.scopes == ("things.read",)


def test_a_token_that_another_process_replaced_is_taken_over_without_a_refresh(
    server: TokenServer, clock: Clock
) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    keeper = keeper_of(server, shelf, clock)
    refused = keeper.authorization()
    shelf.save(tokens_of(server.issue()), 0)
    assert keeper.renew(refused) == "Bearer canary-access-000002"
    assert server.seen == []


def test_a_lost_race_is_settled_by_the_winners_tokens(server: TokenServer, clock: Clock) -> None:
    """Our lock ended while we were frozen: the refresh token was used by another, who saved meanwhile."""
    shelf = Shelf(tokens_of(server.issue()))
    keeper = keeper_of(server, shelf, clock)
    refused = keeper.authorization()
    second = tokens_of(server.issue())
    ask = keeper._ask

    def late(old: Tokens) -> Tokens:
        shelf.save(second, 0)
        return ask(old)

    keeper._ask = late  # type: ignore[method-assign]
    assert keeper.renew(refused) == f"Bearer {second.access_token}"
    assert shelf.saved.dead == ""


def test_a_dead_refresh_token_is_told_once_and_never_asked_about_again(
    server: TokenServer, clock: Clock
) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    server.refresh = None
    clock.at += 1700
    keeper = keeper_of(server, shelf, clock)
    for _ in range(3):
        with pytest.raises(ReconnectNeeded, match="syncline connect") as caught:
            keeper.authorization()
        assert "canary" not in str(caught.value)
    with pytest.raises(ReconnectNeeded):
        keeper_of(server, shelf, clock).authorization()
    assert shelf.saved.dead == "invalid_grant"
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        pytest.param([(400, {"error": "invalid_client"})], TokenRefused, id="a wrong client secret"),
        pytest.param(
            [(200, {"error": "Access Denied", "error_description": "too many requests"})],
            QuotaExhausted,
            id="throttled",
        ),
        pytest.param([(503, b"")] * 4, RemoteUnavailable, id="the token endpoint is down"),
    ],
)
def test_other_troubles_leave_the_connection_alive(
    answers: list[tuple[int, Any]], error: type[Exception], server: TokenServer, clock: Clock
) -> None:
    shelf = Shelf(tokens_of(server.issue()))
    server.replies = answers
    clock.at += 1700
    keeper = keeper_of(server, shelf, clock)
    with pytest.raises(error):
        keeper.authorization()
    assert shelf.saved.dead == ""
    assert keeper.authorization() == "Bearer canary-access-000002"


def test_client_credentials_are_asked_for_anew(server: TokenServer, clock: Clock) -> None:
    shelf = Shelf(tokens_of(server.issue(refresh=False)))
    keeper = keeper_of(server, shelf, clock, Grant.CLIENT_CREDENTIALS)
    clock.at += 1700
    assert keeper.authorization() == "Bearer canary-access-000002"
    assert server.seen[0]["grant_type"] == "client_credentials"


def test_without_a_refresh_token_a_person_is_needed(server: TokenServer, clock: Clock) -> None:
    shelf = Shelf(tokens_of(server.issue(refresh=False)))
    clock.at += 1700
    with pytest.raises(ReconnectNeeded):
        keeper_of(server, shelf, clock).authorization()
    assert server.seen == []


def test_expired_marks_are_found_in_any_case(server: TokenServer, clock: Clock) -> None:
    keeper = keeper_of(server, Shelf(tokens_of(server.issue())), clock)
    assert keeper.expired('{"Detail": "tokenexpired: 30 minutes"}')
    assert not keeper.expired("Unauthorized")


def test_the_client_refreshes_and_repeats_by_itself(server: TokenServer) -> None:
    server.uses = 3
    shelf = Shelf(tokens_of(server.issue()))
    clock = Clock()
    with HttpClient(sign_in=keeper_of(server, shelf, clock)) as client:
        for _ in range(9):
            assert client.request("GET", f"{server.url}/thing").status == 200
        assert client.counts() == {"read": 11, "write": 0}
    assert server.refreshes == 2


# --- the vault ---------------------------------------------------------------------------------------

KEY = new_key()


def vault_of(database: Database, *keys: str) -> Vault:
    return Vault(database, Cipher(keys or (KEY,), "the test's key"))


def connect(vault: Vault, tokens: Tokens, system: str = "books", grant: Grant = Grant.CODE) -> int:
    return vault.save(
        spec="acme",
        system=system,
        connector="ledger",
        base_url="http://127.0.0.1:1",
        organisation=Organisation(id="org-1", name="Acme Pty Ltd"),
        grant=grant,
        tokens=tokens,
    ).id


def test_a_connection_is_kept_found_and_listed(database: Database, server: TokenServer) -> None:
    vault = vault_of(database)
    assert vault.load("acme", "books") is None
    books = connect(vault, tokens_of(server.issue()))
    connect(vault, tokens_of(server.issue()), "crm", Grant.CLIENT_CREDENTIALS)
    found = vault.load("acme", "books")
    assert found is not None
    assert (found.id, found.organisation, found.grant, found.status) == (
        books,
        Organisation(id="org-1", name="Acme Pty Ltd"),
        Grant.CODE,
        "connected",
    )
    assert found.connected_at.utcoffset() is not None
    vault.set_account(books, Account(organisation=Organisation(id="org-1", name="Acme Ltd"), currency="AUD"))
    assert [(c.system, c.organisation.name, c.account.get("currency")) for c in vault.all("acme")] == [
        ("books", "Acme Ltd", "AUD"),
        ("crm", "Acme Pty Ltd", None),
    ]
    assert vault.all("other") == []


def test_a_connection_that_is_cut_has_no_tokens_and_still_says_whose_it_was(
    database: Database, server: TokenServer
) -> None:
    vault = vault_of(database)
    held = vault.tokens(connect(vault, tokens_of(server.issue())))
    before = held.read()
    with database.write() as db:
        assert vault.cut(db, "acme", "books")
        assert not vault.cut(db, "acme", "payroll")
        assert db.execute(sa.select(connection_table.c.secret)).scalar_one() == b""
    found = vault.load("acme", "books")
    assert found is not None
    assert (found.organisation.id, found.status, found.reason) == ("org-1", "reconnect", "cut")
    with pytest.raises(ReconnectNeeded, match="has been cut"):
        held.read()
    assert not held.save(before.tokens, before.version), "who still holds the tokens saves none"
    assert vault.rotate("acme") == 0, "there is nothing to encrypt anew"
    connect(vault, tokens_of(server.issue()))
    assert held.read().dead == ""


def test_no_token_stands_readable_in_the_state(database: Database, server: TokenServer) -> None:
    connect(vault_of(database), tokens_of(server.issue()))
    with database.read() as connection:
        row = connection.execute(sa.select(connection_table)).one()
    assert "canary" not in repr(tuple(row))
    assert "canary" not in repr(vault_of(database).load("acme", "books"))


def test_connecting_again_replaces_the_tokens_and_locks_out_holders_of_the_old(
    database: Database, server: TokenServer
) -> None:
    vault = vault_of(database)
    store = vault.tokens(connect(vault, tokens_of(server.issue())))
    old = store.read()
    store.give_up("invalid_grant", old.version)
    assert vault.all()[0].status == RECONNECT
    connect(vault, tokens_of(server.issue()))
    fresh = store.read()
    assert fresh.dead == ""
    assert fresh.version > old.version
    assert not store.save(old.tokens, old.version)
    store.give_up("late", old.version)
    assert store.read() == fresh


def test_tokens_of_a_cut_connection_ask_for_a_person(database: Database) -> None:
    with pytest.raises(ReconnectNeeded, match="cut"):
        vault_of(database).tokens(4711).read()


def test_changing_the_key_re_encrypts_everything(database: Database, server: TokenServer) -> None:
    new = new_key()
    store_id = connect(vault_of(database), tokens_of(server.issue()))
    connect(vault_of(database), tokens_of(server.issue()), "crm")
    with pytest.raises(StoreError, match="another key"):
        vault_of(database, new).tokens(store_id).read()
    with pytest.raises(StoreError, match="another key"):
        vault_of(database, new).rotate("acme")
    assert vault_of(database, new, KEY).rotate("acme") == 2
    assert vault_of(database, new).tokens(store_id).read().tokens.access_token == "canary-access-000001"
    with pytest.raises(StoreError, match="another key"):
        vault_of(database).tokens(store_id).read()


def test_a_lock_that_never_ends_is_unavailable_rather_than_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline.store.vault._LOCK_WAIT_S", 0.1)
    store = vault_of(database).tokens(1)
    with (
        Leases(database, owner="host-a:7").hold("token:1"),
        pytest.raises(RemoteUnavailable, match="host-a:7"),
        store.lock(),
    ):
        pass
    with store.lock(), pytest.raises(LeaseBusy), Leases(database).hold("token:1"):
        pass


# --- many at once ------------------------------------------------------------------------------------


def _use(url: str, api: str, base: str, calls: int, threads: int, result: Any) -> None:
    """Call the resource from some threads, renewing whenever it says the token has expired."""
    lost: list[str] = []
    done = 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal done
        http = HttpClient()
        keeper = _keeper(database, base)
        try:
            authorization = keeper.authorization()
            for _ in range(calls):
                while True:
                    headers = {"authorization": authorization}
                    if http.request("GET", api, headers=headers).status == 200:
                        break
                    authorization = keeper.renew(authorization)
                with lock:
                    done += 1
        except Exception as error:
            lost.append(f"{type(error).__name__}: {error}")
        finally:
            http.close()

    with open_store(url) as database:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    result.put((done, lost))


def _keeper(database: Database, base: str) -> TokenKeeper:
    from syncline.connect.contract import OAuth

    oauth = OAuth(authorize_url=f"{base}/authorize", token_url=f"{base}/token", scopes=("things.read",))
    store = vault_of(database).tokens(1)
    return TokenKeeper(
        oauth=oauth, client=CLIENT, grant=Grant.CODE, store=store, endpoint=opened(TokenEndpoint())
    )


def test_eight_workers_race_over_many_expiries_and_lose_no_connection(
    store_url: str, server: TokenServer
) -> None:
    """Every refresh token works once, without grace; every access token dies after a few calls."""
    server.uses = 12
    with open_store(store_url) as database:
        tokens = tokens_of(server.issue(), obtained_at=4_000_000_000.0)
        assert connect(vault_of(database), tokens) == 1
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    workers = [
        spawn.Process(
            target=_use_with_key, args=(KEY, store_url, f"{server.url}/thing", server.url, 75, 4, results)
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    results.close()
    results.join_thread()
    assert [lost for _, losses in found for lost in losses] == []
    assert sum(done for done, _ in found) == server.served == 600
    assert server.reused == 0
    assert server.refreshes == 600 // 12 - 1


def _use_with_key(key: str, *args: Any) -> None:
    global KEY
    KEY = key
    _use(*args)


def _die_before_saving(key: str, url: str, base: str) -> None:
    """Refresh, and end as by SIGKILL between the token endpoint's answer and the save."""
    global KEY
    KEY = key
    with open_store(url) as database:
        VaultTokens.save = lambda *_: os._exit(9)  # type: ignore[assignment,method-assign]
        keeper = _keeper(database, base)
        keeper.renew(keeper.authorization())


def test_death_between_the_answer_and_the_save_leads_to_one_clear_message(
    store_url: str, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncline.store.vault._LOCK_TTL_S", 0.5)
    with open_store(store_url) as database:
        connect(vault_of(database), tokens_of(server.issue(), obtained_at=4_000_000_000.0))
        dying = multiprocessing.get_context("spawn").Process(
            target=_die_before_saving, args=(KEY, store_url, server.url)
        )
        dying.start()
        dying.join()
        assert dying.exitcode == 9
        assert server.refreshes == 1
        with database.write() as connection:  # its lock would end by itself after some seconds
            connection.exec_driver_sql("UPDATE lease SET until = 0")
        keeper = _keeper(database, server.url)
        refused = keeper.authorization()
        for _ in range(3):
            with pytest.raises(ReconnectNeeded, match="syncline connect"):
                keeper.renew(refused)
        assert server.reused == 1
        assert vault_of(database).all()[0].reason == "invalid_grant"
