"""A spec at work: its plugins, its state, its connections and its sessions, opened as they are needed."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.engine import Connection as Db

from syncline.connect.budget import Pace
from syncline.connect.contract import Account, Catalogue, Connection, Connector, RemoteModule, Session
from syncline.connect.errors import ReconnectNeeded, RemoteError, WrongOrganisation
from syncline.connect.http import HttpClient
from syncline.connect.oauth import Client, TokenEndpoint
from syncline.connect.plugins import Plugins
from syncline.connect.secrets import register
from syncline.connect.tokens import TokenKeeper
from syncline.connect.waiting import Waiting, steady
from syncline.errors import SynclineError
from syncline.mapping.check import errors_once
from syncline.mapping.drift import Drift, find_drift
from syncline.mapping.expressions import Expressions, MacroFile
from syncline.mapping.fields import with_declared
from syncline.mapping.module import ModuleMap, Side
from syncline.mapping.nesting import find_remote, nesting_of
from syncline.mapping.tables import TableFilter
from syncline.reconcile.order import order_modules, references_of
from syncline.run.hearing import Heard
from syncline.run.installed import installed_plugins
from syncline.run.keeping import KeptMatch, keep
from syncline.run.known import known_module, labels_of
from syncline.run.nesting import NestedSession
from syncline.run.scope import NO_MATCHES, Keep, Onlooker, Scope, ScopeEnd, left_out_with
from syncline.spec.digest import field_digests, map_digests, table_digest
from syncline.spec.load import Loaded, load_spec
from syncline.spec.matches import Matches, load_matches, matches_file
from syncline.spec.model import End, EnvText, Module, Spec, System
from syncline.spec.problems import Severity, SpecError
from syncline.spec.report import as_text
from syncline.spec.sound import Sound
from syncline.store.calls import CallLedger
from syncline.store.catalogues import load_catalogue, save_catalogue
from syncline.store.crypto import load_cipher
from syncline.store.database import Database, StoreError, open_store, sqlite_file
from syncline.store.lease import Kept, Leases, fence
from syncline.store.ledger import Ledger
from syncline.store.scopes import ScopeKey, approve_maps, end_dead_passes, open_scope, unapproved_maps
from syncline.store.sound import was_sound
from syncline.store.vault import CONNECTED, CUT, SavedConnection, Vault

#: The options of a system that the engine reads itself.
OWN_OPTIONS = ("connector", "base_url", "client_id", "client_secret", "organisation", "fields")

#: For so long the fields of an organisation are taken to be as they were when they were last seen.
LOOK_AGAIN = timedelta(hours=1)


class Live(Struct, frozen=True):
    """A connection in use: its session, and who answered at the other end."""

    saved: SavedConnection
    session: Session
    http: HttpClient
    account: Account
    skew: timedelta


class Workspace:
    """One spec file, with everything that its verbs need. Use as a context; nothing is opened before it is
    asked for. ``state``: the URL or file of the state, else ``SYNCLINE_STATE``, else a SQLite file in
    ``.syncline/`` beside the spec."""

    #: by which its connections tell the time and wait
    waiting = Waiting()

    def __init__(self, file: Path, state: str | None, environ: Mapping[str, str]) -> None:
        self.file = file
        self._state = state
        self.environ = environ
        self._began, self._began_at = datetime.now(UTC), steady()
        #: whether a person waits for this very thing, so that it may use the last calls of the day
        self.by_hand = False
        self._stack = ExitStack()
        self._live: dict[str, Live] = {}
        self._catalogues: dict[str, Catalogue] = {}
        #: the systems whose catalogue was read by this very workspace
        self._looked: set[str] = set()
        #: of the modules that the scopes do not hold, why: an organisation of theirs cannot be worked with
        self.left_out: dict[str, str] = {}

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def now(self) -> datetime:
        """The instant: the machine's clock as it was at first, carried on by one that nobody sets. A clock
        that is put right in the middle of a pass must not tear apart what the pass has measured by it."""
        return self._began + timedelta(seconds=steady() - self._began_at)

    @property
    def who(self) -> str:
        """Who runs this, for the audit log."""
        try:
            return getpass.getuser()
        except (OSError, KeyError):
            return "unknown"

    # --- the spec --------------------------------------------------------------------------------

    @cached_property
    def plugins(self) -> Plugins:
        return installed_plugins()

    @cached_property
    def loaded(self) -> Loaded:
        return load_spec(self.file, bundles=self.plugins.bundles, environ=self.environ, sound=self.sound)

    @cached_property
    def sound(self) -> Sound:
        """What earlier passes found right; nothing where there is no state, or none that can be
        read: that is for those to tell who need it."""
        try:
            file = sqlite_file(self.state_url)
            database = self.database if file is None or file.exists() else None
        except StoreError:
            database = None
        return Sound() if database is None else Sound(partial(was_sound, database))

    @cached_property
    def expressions(self) -> Expressions:
        spec = self.loaded.partial
        own = {} if spec is None else {"table": TableFilter(spec.tables)}
        macros = [MacroFile(macro.file, macro.source) for macro in self.loaded.macros]
        return Expressions({**self.plugins.filters, **own}, macros)

    @cached_property
    def spec(self) -> Spec:
        """The spec, without errors; raises SpecError with every error that offline checks find."""
        loaded = self.loaded
        problems = list(loaded.problems)
        if loaded.spec is not None:
            problems += errors_once(
                loaded.spec, self.plugins.connectors, loaded.macros, self.expressions, self.sound
            )
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        if errors or loaded.spec is None:
            raise SpecError(errors or problems, shown=as_text(errors or problems, loaded.sources, 1))
        return loaded.spec

    def system(self, name: str) -> System:
        try:
            return self.spec.systems[name]
        except KeyError:
            names = ", ".join(self.spec.systems)
            raise SynclineError(f"the spec has no system {name!r}", fix=f"name one of: {names}") from None

    def module(self, name: str) -> Module:
        try:
            return self.spec.modules[name]
        except KeyError:
            names = ", ".join(self.spec.modules)
            raise SynclineError(f"the spec has no module {name!r}", fix=f"name one of: {names}") from None

    def connector(self, system: System) -> Connector:
        return self.plugins.connectors[system.connector]

    def options(self, system: System) -> dict[str, Any]:
        """The connector's options with every environment name looked up; raises SpecError at its place."""
        options = {name: _resolved(value, self.environ) for name, value in system.options.items()}
        # What comes from the environment is there because nobody is to read it.
        found = (options[name] for name, value in system.options.items() if isinstance(value, EnvText))
        register(*found, lasting=True)
        if system.base_url is not None:
            options["base_url"] = system.base_url.value(self.environ).rstrip("/")
        return options

    def client(self, system: System) -> Client:
        """The application that signs in; raises SpecError for a name that is not set."""
        if system.client_id is None:
            fix = "add client_id and client_secret, as ${env:NAME}"
            raise SynclineError(f"{system.place}: the system {system.name!r} has no client_id", fix=fix)
        secret = system.client_secret.value(self.environ) if system.client_secret else ""
        return Client(id=system.client_id.value(self.environ), secret=secret)

    # --- the state -------------------------------------------------------------------------------

    @cached_property
    def state_url(self) -> str:
        chosen = self._state or self.environ.get("SYNCLINE_STATE")
        if chosen:
            return chosen
        return str((self.file.parent / ".syncline" / "state.db").resolve())

    @cached_property
    def database(self) -> Database:
        return self._stack.enter_context(open_store(self.state_url))

    @property
    def key_file(self) -> Path:
        """Where the key is when the environment has none: beside a SQLite state, else beside the spec."""
        file = sqlite_file(self.state_url)
        folder = file.parent if file is not None else (self.file.parent / ".syncline").resolve()
        return folder / "key"

    @cached_property
    def vault(self) -> Vault:
        return Vault(self.database, load_cipher(self.environ, self.key_file))

    @cached_property
    def leases(self) -> Leases:
        return Leases(self.database)

    # --- the connections -------------------------------------------------------------------------

    def live(self, name: str) -> Live:
        """The session of a system, checked once: the organisation that answers is the one connected.

        Raises ReconnectNeeded when there is no working connection, WrongOrganisation before anything is
        read or written, and what the remote's own check raises.
        """
        if name not in self._live:
            self._live[name] = self._open(self.system(name))
        return self._live[name]

    def _open(self, system: System) -> Live:
        saved = self.vault.load(self.spec.name, system.name)
        connect = f"run: syncline connect {self.file} {system.name}"
        if saved is None:
            raise ReconnectNeeded(f"the system {system.name!r} is not connected", fix=connect)
        if saved.reason == CUT:
            raise ReconnectNeeded(
                f"the system {system.name!r} was cut off", fix=f"{connect}; it resumes then"
            )
        if saved.status != CONNECTED:
            why = f" ({saved.reason})" if saved.reason else ""
            what = f"{system.name} no longer accepts the saved sign-in{why}"
            raise ReconnectNeeded(what, fix=f"{connect}; links and cursors are kept")
        options = self.options(system)
        if saved.connector != system.connector or saved.base_url != options.get("base_url", ""):
            what = f"the system {system.name!r} was connected to {saved.connector} at another address"
            raise ReconnectNeeded(what, fix=connect)
        connector = self.connector(system)
        http, extras = self._line(system, connector, options, saved)
        inner = connector.open(
            Connection(options=options, http=http, extras=extras, organisation=saved.organisation)
        )
        session = Heard(inner, system.name)
        before = self.now()
        account = session.check()
        if account.organisation.id != saved.organisation.id:
            what = (
                f"{system.name}: the sign-in answers for {account.organisation.name}"
                f" ({account.organisation.id}), but the links are those of {saved.organisation.name}"
                f" ({saved.organisation.id}); nothing was read or written"
            )
            raise WrongOrganisation(what, fix=connect)
        skew = timedelta()
        if account.server_time is not None:
            middle = before + (self.now() - before) / 2
            skew = account.server_time - middle
            if abs(skew) < timedelta(seconds=1):
                skew = timedelta()
        return Live(saved, session, http, account, skew)

    def _line(
        self, system: System, connector: Connector, options: Mapping[str, Any], saved: SavedConnection
    ) -> tuple[HttpClient, Mapping[str, str]]:
        endpoint = TokenEndpoint(label=system.name, waiting=self.waiting)
        self._stack.callback(endpoint.close)
        keeper = TokenKeeper(
            oauth=connector.oauth(options, {}),
            client=self.client(system),
            grant=saved.grant,
            store=self.vault.tokens(saved.id),
            endpoint=endpoint,
            label=system.name,
            waiting=self.waiting,
        )
        account = saved.account_key
        calls = CallLedger(self.database, account, now=self.waiting.now)
        pace = Pace(connector.limits, calls, label=system.name, waiting=self.waiting, by_hand=self.by_hand)
        http = HttpClient(
            label=system.name,
            account=account,
            limits=connector.limits,
            budget=pace,
            sign_in=keeper,
            waiting=self.waiting,
        )
        self._stack.callback(http.close)
        return http, keeper.extras

    def requests(self) -> dict[str, dict[str, int]]:
        """The requests made so far, by system: read and write."""
        return {name: live.http.counts() for name, live in self._live.items()}

    # --- what people decided for good ------------------------------------------------------------

    def load_matches(self) -> Mapping[str, Matches]:
        """The match decisions beside the spec, by module, as they are now; raises SpecError with every error
        in them."""
        loaded = load_matches(matches_file(self.file), self.spec)
        if loaded.problems:
            sources = {} if loaded.source is None else {loaded.source.file: loaded.source}
            raise SpecError(list(loaded.problems), shown=as_text(loaded.problems, sources, 1))
        return loaded.modules

    def keep_matches(self, decisions: Sequence[KeptMatch]) -> None:
        """Write match decisions down beside the spec; raises SynclineError."""
        keep(self.file, self.spec, list(decisions))

    def _keeper(self, scope: Scope) -> Keep:
        """How a pass keeps what it carried out. The state knows it already: a file that cannot be written
        stops nothing."""

        def keep_one(kind: str, ids: tuple[str | None, str | None], who: str, why: str) -> bool:
            systems = [end.system for end in scope.ends]
            named: dict[str, tuple[str, str]] = {}
            with self.database.read() as db:
                known = known_module(db, self.spec, scope.name)
                for side, record in zip(Side, ids, strict=True):
                    if record is not None:
                        name = labels_of(db, known, side, [record]).get(record, "")
                        named[systems[side]] = (record, name)
            one = KeptMatch(module=scope.name, kind=kind, records=named, who=who, when=self.now(), why=why)
            try:
                self.keep_matches([one])
            except SynclineError as error:
                scope.notes.append(f"{error.what}; {error.fix}")
                return False
            return True

        return keep_one

    # --- the modules at work ---------------------------------------------------------------------

    def remote_module(self, end: End) -> RemoteModule:
        """A remote module of the catalogue, with the fields that the spec declares."""
        system = self.system(end.system)
        remote = find_remote(self.connector(system).catalogue_for(system.options), end)
        assert remote is not None, "the checks know every module"
        return with_declared(remote, system.fields.get(end.module, {}))

    @contextmanager
    def scopes(self, pass_id: int, only: Sequence[str] = ()) -> Iterator[list[Scope]]:
        """The enabled modules (or ``only`` these and what they refer to), in dependency order, each under its
        lease. Raises LeaseBusy when another pass works on one of them.

        A module of which an organisation cannot be worked with (its sign-in has ended, its remote is down) is
        not among them, nor what refers to it: ``left_out`` says why. Raises what is wrong with the first one
        when none is left, and WrongOrganisation for any system: then nothing is written anywhere."""
        modules = order_modules(self.spec.modules)
        matches = self.load_matches()
        if only:
            modules = [m for m in modules if m.name in _with_references(self.spec, only)]
        with ExitStack() as leases:
            self._refuse_one_for_both(modules, failed := self.failing(modules))
            scopes = []
            for module in modules:
                if self._leave_out(module, failed):
                    continue
                kept = leases.enter_context(self.leases.hold(f"{self.spec.name}:{module.name}"))
                try:
                    scope = self._scope(module, pass_id, kept)
                except RemoteError as error:
                    failed[module.name] = error
                    self.left_out[module.name] = error.told
                    continue
                scope.matches = matches.get(module.name, NO_MATCHES)
                scope.keep = self._keeper(scope)
                scopes.append(scope)
            if failed and not scopes:
                raise next(iter(failed.values()))
            by_name = {scope.name: scope for scope in scopes}
            for scope in scopes:
                scope.scopes = by_name
            if not only:
                with self.database.write() as db:
                    end_dead_passes(db, self.spec.name, pass_id, self.now())
            yield scopes

    def failing(self, modules: Sequence[Module]) -> dict[str, RemoteError]:
        """By system, why its organisation cannot be worked with; each system of the modules is asked."""
        failed: dict[str, RemoteError] = {}
        for system in dict.fromkeys(system for module in modules for system in module.systems):
            try:
                self.live(system)
            except WrongOrganisation:
                raise
            except RemoteError as error:
                failed[system] = error
        return failed

    def _leave_out(self, module: Module, failed: Mapping[str, RemoteError]) -> bool:
        """Whether a module must be left out because of its systems, or of what it refers to."""
        for system in module.systems:
            if system in failed:
                self.left_out[module.name] = failed[system].told
                return True
        if broken := sorted(references_of(module) & self.left_out.keys()):
            self.left_out[module.name] = left_out_with(broken[0])
        return module.name in self.left_out

    def _refuse_one_for_both(self, modules: Sequence[Module], failed: Mapping[str, RemoteError]) -> None:
        """Raise WrongOrganisation for a module between an organisation and itself: two systems of one
        connector that were signed in to the same one."""
        for module in modules:
            left, right = module.left, module.right
            if left.module != right.module or failed.keys() & module.systems:
                continue
            ends = [self.live(end.system).saved for end in (left, right)]
            if ends[0].connector == ends[1].connector and ends[0].organisation.id == ends[1].organisation.id:
                raise WrongOrganisation(
                    f"{left.system} and {right.system} are both connected to {ends[0].organisation.name}"
                    f" ({ends[0].organisation.id}), and {module.name} would bring it in step with itself;"
                    " nothing was read or written",
                    fix=f"run: syncline connect {self.file} {right.system} --relink,"
                    " and choose the other organisation",
                )

    def scope_key(self, module: Module, left: str, right: str) -> ScopeKey:
        return ScopeKey(
            spec=self.spec.name,
            module=module.name,
            left_org=left,
            right_org=right,
            left_module=module.left.module,
            right_module=module.right.module,
        )

    def _scope(self, module: Module, pass_id: int, kept: Kept) -> Scope:
        ends, known, drift = self._survey(module)
        left, right = (self.live(end.system).saved.organisation.id for end in ends)
        # A map that rests is as good as another one: when it comes back, the ends agree on it anew.
        digest = " ".join((self.spec.digests[module.name], *drift.maps))
        fields = field_digests(module) | dict.fromkeys(drift.maps, "")
        with self.database.write() as db:
            fence(db, kept.lease)
            scope = open_scope(db, self.scope_key(module, left, right), digest, fields)
            maps = map_digests(module, self.loaded.macros, table_digest(self.spec))
            unapproved = unapproved_maps(db, scope, maps)
        ledger = Ledger(scope)
        for side, told in zip(Side, (module.left, module.right), strict=True):
            self._nest(ends[side], told, side, ledger)
        return Scope(
            module=module,
            maps=ModuleMap(module, known, self.expressions, resting=drift.maps.keys()),
            ends=ends,
            database=self.database,
            ledger=ledger,
            pass_id=pass_id,
            fence=_fence_of(kept),
            now=self.now,
            unapproved=unapproved,
            approve=lambda db: approve_maps(db, scope, maps),
            check=kept.check,
            drift=drift,
            look_anew=partial(self._look_anew, module, ends),
        )

    def _survey(
        self, module: Module
    ) -> tuple[tuple[ScopeEnd, ScopeEnd], tuple[RemoteModule, RemoteModule], Drift]:
        """A module's two ends with their fields as they are now, as the spec was checked against, and what
        has changed between."""
        ends = (self._end(module.left), self._end(module.right))
        known = (ends[0].remote, ends[1].remote)
        now = tuple(self._seen(end) for end in (module.left, module.right))
        drift = find_drift(self.spec, module, known, now, self.expressions)
        for end, remote in zip(ends, now, strict=True):
            end.remote = replace(end.remote, fields=remote.fields) if remote is not None else end.remote
        return ends, known, drift

    def onlooker(self, module: Module) -> Onlooker:
        """A module to be looked at and no more: without its lease, beside whatever pass is at work on it."""
        ends, known, drift = self._survey(module)
        with self.database.read() as db:
            scope = known_module(db, self.spec, module.name).scope
        for side, told in zip(Side, (module.left, module.right), strict=True):
            self._nest(ends[side], told, side, Ledger(scope or 0))
        maps = ModuleMap(module, known, self.expressions, resting=drift.maps.keys())
        return Onlooker(
            spec=self.spec,
            module=module,
            maps=maps,
            ends=ends,
            scope=scope,
            drift=drift,
            database=self.database,
            expressions=self.expressions,
            now=self.now,
        )

    def _nest(self, scope_end: ScopeEnd, end: End, side: Side, ledger: Ledger) -> None:
        """Let an end that is a list inside records speak of its items as records."""
        system = self.system(end.system)
        nesting = nesting_of(self.connector(system).catalogue_for(system.options), end)
        if nesting is None:
            return

        def known(parents: Sequence[str]) -> Sequence[str]:
            with self.database.read() as db:
                return ledger.records_of_keys(db, side, parents)

        scope_end.session = NestedSession(scope_end.session, nesting, known)

    def _seen(self, end: End) -> RemoteModule | None:
        """A remote module as the organisation has it, looked at within the last hour; ``None`` when it has
        none of that name."""
        if end.system not in self._catalogues:
            self._catalogues[end.system] = self._look(end.system)
        return find_remote(self._catalogues[end.system], end)

    def _look(self, system: str) -> Catalogue:
        account = self.live(system).saved.account_key
        with self.database.read() as db:
            seen = load_catalogue(db, account)
        if seen is not None and timedelta() <= self.now() - seen[1] < LOOK_AGAIN:
            return seen[0]
        return self._discover(system)

    def _discover(self, system: str) -> Catalogue:
        live = self.live(system)
        catalogue = live.session.discover()
        self._looked.add(system)
        with self.database.write() as db:
            save_catalogue(db, live.saved.account_key, catalogue, self.now())
        return catalogue

    def _look_anew(self, module: Module, ends: tuple[ScopeEnd, ScopeEnd], side: Side) -> bool:
        """See :class:`Scope`; another module of the same system may have had it looked at."""
        end = (module.left, module.right)[side]
        if end.system not in self._looked:
            self._catalogues[end.system] = self._discover(end.system)
        now = self._seen(end)
        if now is None or now.fields == ends[side].remote.fields:
            return False
        ends[side].remote = replace(ends[side].remote, fields=now.fields)
        return True

    def _end(self, end: End) -> ScopeEnd:
        live = self.live(end.system)
        return ScopeEnd(
            system=end.system,
            remote=self.remote_module(end),
            session=live.session,
            account=live.account,
            skew=live.skew,
        )


def _fence_of(kept: Kept) -> Callable[[Db], None]:
    def check(db: Db) -> None:
        fence(db, kept.lease)

    return check


def _with_references(spec: Spec, names: Sequence[str]) -> set[str]:
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in found and name in spec.modules:
            found.add(name)
            pending.extend(references_of(spec.modules[name]))
    return found


def _resolved(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, EnvText):
        return value.value(environ)
    if isinstance(value, Mapping):
        return {key: _resolved(item, environ) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(item, environ) for item in value]
    return value
