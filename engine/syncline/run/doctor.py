"""Doctor: one check after another of what a pass needs, each with what to do when it does not hold."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from importlib.metadata import entry_points

import sqlalchemy as sa
from msgspec import Struct

from syncline import __version__
from syncline.connect.budget import DAY_S
from syncline.connect.contract import Grant, OAuth
from syncline.connect.plugins import GROUP, Plugins
from syncline.errors import SynclineError
from syncline.mapping.check import check_spec
from syncline.run.workspace import Live, Workspace
from syncline.spec.model import System
from syncline.spec.problems import Severity, SpecError
from syncline.store.crypto import KEY_VARIABLE, load_cipher
from syncline.store.database import Database, sqlite_file
from syncline.store.history import calls_since, kept_elsewhere
from syncline.store.migrations import HEAD
from syncline.store.tables import lease
from syncline.store.vault import CONNECTED, SavedConnection, Vault

#: SQLite before this has no RETURNING, which the state needs.
OLDEST_SQLITE = (3, 35, 0)
#: The engine allows for a clock that is wrong; beyond this people should set it right.
MOST_SKEW_S = 60.0
#: A share of the day's calls below which it is worth a warning.
_LOW_SHARE = 0.1


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. ``what``: one sentence; ``fix``: the next step, unless all is well."""

    name: str
    verdict: Verdict
    what: str
    fix: str = ""


def examine(workspace: Workspace | None, plugins: Plugins, environ: Mapping[str, str]) -> Iterator[Check]:
    """Every check in turn: of the installation, and with a ``workspace`` of its spec, its state and each of
    its connections, which are asked who they are (nothing is written there, and no state is made)."""
    yield from _installation(plugins)
    if workspace is None:
        return
    spec = list(_spec(workspace))
    yield from spec
    database, check = _state(workspace)
    yield check
    # Nothing more can be told of the connections without the spec, the state or the key.
    if any(one.verdict is Verdict.FAILED for one in (*spec, check)):
        return
    vault = None
    if database is not None:
        key, vault = _key(workspace, database, environ)
        yield key
        if key.verdict is Verdict.FAILED:
            return
    for system in workspace.spec.systems.values():
        yield from _connection(workspace, system, vault)


# --- the installation ----------------------------------------------------------------------------


def _installation(plugins: Plugins) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield _ok("python", f"Python {version}, syncline {__version__}")
    if sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        yield _ok("sqlite", f"SQLite {sqlite3.sqlite_version}")
    else:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        yield _failed(
            "sqlite",
            f"SQLite {sqlite3.sqlite_version} is too old",
            f"use a Python with SQLite {oldest} or newer, or keep the state in PostgreSQL",
        )
    found = sorted(
        {
            (point.dist.name, point.dist.version)
            for point in entry_points(group=GROUP)
            if point.dist is not None
        }
    )
    if plugins.connectors:
        installed = ", ".join(f"{name} {version}" for name, version in found)
        yield _ok("plugins", f"{installed}; connectors: {', '.join(plugins.connectors)}")
    else:
        yield _failed(
            "plugins", "no connector is installed", "install the distribution of a connector, for a start"
        )
    for problem in plugins.problems:
        where = f"{problem.distribution} {problem.version} ({problem.entry_point})"
        yield _failed("plugins", f"{where}: {problem.what}", problem.fix)


# --- the spec and the state ----------------------------------------------------------------------


def _spec(workspace: Workspace) -> Iterator[Check]:
    name = str(workspace.file)
    try:
        spec = workspace.spec
    except SpecError as error:
        count = len(error.problems)
        yield _failed(
            "spec",
            f"{error.what.partition(' (and ')[0]}" + (f" (and {count - 1} more)" if count > 1 else ""),
            f"run: syncline validate {name}",
        )
        return
    except SynclineError as error:
        yield _failed("spec", error.what, error.fix)
        return
    found = [
        *workspace.loaded.problems,
        *check_spec(spec, workspace.plugins.connectors, None, workspace.expressions),
    ]
    warnings = [problem for problem in found if problem.severity is Severity.WARNING]
    if warnings:
        yield _warning("spec", f"{name} has {len(warnings)} warnings", f"run: syncline validate {name}")
    else:
        enabled = sum(module.enabled for module in spec.modules.values())
        yield _ok("spec", f"{name}: {len(spec.systems)} systems, {enabled} modules")


def _state(workspace: Workspace) -> tuple[Database | None, Check]:
    try:
        file = sqlite_file(workspace.state_url)
        if file is not None and not file.exists():
            what = f"there is no state yet at {file}"
            return None, _warning("state", what, f"it is made by: syncline connect {workspace.file}")
        database = workspace.database
        with database.write() as db, db.begin_nested() as undone:
            # A real write, taken back: a full disk or a user without rights shows here and not in a pass.
            db.execute(sa.delete(lease).where(lease.c.key == "doctor"))
            db.execute(sa.insert(lease).values(key="doctor", owner="doctor", epoch=0, until=0.0))
            undone.rollback()
    except SynclineError as error:
        return None, _failed("state", error.what, error.fix)
    if file is not None and os.name == "posix" and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o077:
        what = (
            f"{database.name} can be read by others on this machine (mode {mode:o}); it holds people's data"
        )
        return database, _warning("state", what, f"chmod 600 {file}*")
    return database, _ok("state", f"{database.name} ({database.dialect}), version {HEAD}, can be written")


def _key(workspace: Workspace, database: Database, environ: Mapping[str, str]) -> tuple[Check, Vault | None]:
    path = workspace.key_file
    try:
        vault = Vault(database, load_cipher(environ, path, create=False))
        saved = vault.all(workspace.spec.name)
        for one in saved:
            vault.tokens(one.id).read()
    except SynclineError as error:
        if not environ.get(KEY_VARIABLE) and not path.exists() and not _has_connections(workspace, database):
            what = "there is no key yet, and nothing that needs one"
            return _warning("key", what, f"it is made by: syncline connect {workspace.file}"), None
        return _failed("key", error.what, error.fix), None
    told = f"it opens {len(saved)} saved sign-ins" if saved else "no sign-in is saved yet"
    if environ.get(KEY_VARIABLE):
        return _ok("key", f"from {KEY_VARIABLE}; {told}"), vault
    mode = f", mode {stat.S_IMODE(path.stat().st_mode):o}" if os.name == "posix" else ""
    return _ok("key", f"{path}{mode}; {told}"), vault


def _has_connections(workspace: Workspace, database: Database) -> bool:
    from syncline.store.history import connections

    with database.read() as db:
        return bool(connections(db, workspace.spec.name))


# --- the connections -----------------------------------------------------------------------------


def _connection(workspace: Workspace, system: System, vault: Vault | None) -> Iterator[Check]:
    name = f"connection {system.name}"
    connect = f"run: syncline connect {workspace.file} {system.name}"
    saved = vault.load(workspace.spec.name, system.name) if vault is not None else None
    if saved is None or vault is None:
        yield _failed(name, "it is not connected", connect)
        return
    if saved.status != CONNECTED:
        yield _failed(name, f"the sign-in has ended: {saved.reason or 'no reason given'}", connect)
        return
    try:
        live = workspace.live(system.name)
    except SynclineError as error:
        yield _failed(name, error.what, error.fix or connect)
        return
    organisation = live.account.organisation
    yield _ok(name, f"signed in; {organisation.name} ({organisation.id}) answers, as connected")
    for warning in live.account.warnings:
        yield _warning(name, warning, "see whether this is meant")
    yield from _other_writers(workspace, system, live)
    yield _scopes(workspace, system, saved, live, vault)
    yield _clock(system, live)
    yield _quota(workspace, system, saved)


def _other_writers(workspace: Workspace, system: System, live: Live) -> Iterator[Check]:
    """Who else writes the same records: other specs of this state, and what the remote tells of."""
    name = f"writers {system.name}"
    ends = [
        end
        for module in workspace.spec.modules.values()
        if module.enabled
        for end in (module.left, module.right)
        if end.system == system.name
    ]
    organisation = live.account.organisation
    with workspace.database.read() as db:
        others = kept_elsewhere(
            db, workspace.spec.name, organisation.id, sorted({end.module for end in ends})
        )
    for spec in sorted({other.spec for other in others}):
        theirs = [other for other in others if other.spec == spec]
        what = ", ".join(f"{other.remote_module} ({other.module})" for other in theirs)
        last = theirs[0].last
        when = f"its last pass was at {last:%Y-%m-%d %H:%M}Z" if last else "it has had no pass yet"
        yield _warning(
            name,
            f"the spec {spec} keeps {what} of {organisation.name} in step as well; {when}",
            "run one of the two, or name the owner of these records in both, and give both to"
            " syncline validate",
        )
    try:
        told = live.session.other_writers()
    except SynclineError as error:
        yield _warning(name, f"who else writes there cannot be asked: {error.what}", error.fix)
        return
    for each in told:
        yield _warning(name, each, "switch it off, or drop the modules that it keeps in step from the spec")
    if not others and not told:
        yield _ok(name, "nobody else is known to write the same records")


def _scopes(workspace: Workspace, system: System, saved: SavedConnection, live: Live, vault: Vault) -> Check:
    name = f"scopes {system.name}"
    granted = set(live.account.scopes) or set(vault.tokens(saved.id).read().tokens.scopes)
    if not granted:
        return _ok(name, "the remote does not say which scopes were granted")
    oauth = workspace.connector(system).oauth(workspace.options(system), {})
    missing = [scope for scope in _asked(oauth, saved.grant) if scope not in granted]
    if not missing:
        return _ok(name, f"all {len(granted)} scopes are granted")
    fix = f"sign in again and consent to all: syncline connect {workspace.file} {system.name}"
    return _warning(name, f"not granted: {', '.join(missing)}; calls that need them are refused", fix)


def _asked(oauth: OAuth, grant: Grant) -> tuple[str, ...]:
    """The scopes that this kind of sign-in asks for."""
    own = oauth.client_credentials_params.get("scope")
    if grant is Grant.CLIENT_CREDENTIALS and own is not None:
        return tuple(own.split(oauth.scope_separator))
    return oauth.scopes


def _clock(system: System, live: Live) -> Check:
    name = f"clock {system.name}"
    if live.account.server_time is None:
        return _ok(name, "the remote does not tell its time")
    skew_s = live.skew.total_seconds()
    if abs(skew_s) <= MOST_SKEW_S:
        return _ok(name, f"{abs(skew_s):.0f} s from the remote's")
    which = "behind" if skew_s > 0 else "ahead of"
    return _warning(
        name, f"this machine's clock is {abs(skew_s):.0f} s {which} the remote's", "set it by NTP"
    )


def _quota(workspace: Workspace, system: System, saved: SavedConnection) -> Check:
    name = f"quota {system.name}"
    limits = workspace.connector(system).limits
    with workspace.database.read() as db:
        used = calls_since(db, saved.account_key, workspace.now().timestamp() - DAY_S)
    if limits.per_day is None:
        return _ok(name, f"{used} calls in the last 24 hours; no daily limit is known")
    left = max(limits.per_day - used, 0)
    told = f"{used} of {limits.per_day} calls a day used in the last 24 hours, counted here; {left} left"
    if left < limits.per_day * _LOW_SHARE:
        return _warning(name, told, "a longer interval in 'schedule' needs fewer calls")
    return _ok(name, told)


def _ok(name: str, what: str) -> Check:
    return Check(name=name, verdict=Verdict.OK, what=what)


def _warning(name: str, what: str, fix: str) -> Check:
    return Check(name=name, verdict=Verdict.WARNING, what=what, fix=fix)


def _failed(name: str, what: str, fix: str) -> Check:
    return Check(name=name, verdict=Verdict.FAILED, what=what, fix=fix)
