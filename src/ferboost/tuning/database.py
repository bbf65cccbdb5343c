"""A study in a PostgreSQL database, which processes on several machines work on."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from pydantic import ValidationError
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from ferboost.errors import RunError, SettingsError
from ferboost.tuning.ledger import directions
from ferboost.tuning.outcomes import Outcome, write_outcome

if TYPE_CHECKING:
    from ferboost.tuning.study import Study, StudyRecord

__all__ = ["Database", "DatabaseLedger", "Patience", "public_url"]

_Result = TypeVar("_Result")

_AGREED = "ferboost"
"""The attribute of a study that holds what all who work on it must have alike."""
_OUTCOME, _SEEN = "outcome", "seen"
"""Attributes of a trial: what came out, and when it was last worked on, by the server's clock."""
_SECRETS = ("password", "sslpassword")
_CONNECT_SECONDS = 5
_ERRORS = (SQLAlchemyError, StorageInternalError)


@dataclass(frozen=True)
class Patience:
    """How long is waited for another machine, and for the server, in seconds.

    Attributes
    ----------
    abandoned : float
        Without a sign of life for so long, a trial is run by another process.
    outage : float
        The server may be away for so long while trials are run.
    """

    abandoned: float = 90
    outage: float = 3600


class Database:
    """A PostgreSQL database that holds studies.

    Parameters
    ----------
    url : str
        As libpq takes it, such as ``postgresql://user@host/database``. What it leaves out, as the
        password had better be, is found where libpq looks: ``PGPASSWORD``, ``~/.pgpass``.

    Attributes
    ----------
    name : str
        The address as it may be shown to anyone: without any password.

    Raises
    ------
    SettingsError
        If the address is none of PostgreSQL.
    RunError
        If the database cannot be reached, or lets nobody in.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.name = public_url(url)
        self._options: dict[str, Any] = {"pool_pre_ping": True}  # Any: what SQLAlchemy takes
        if "connect_timeout" not in self._url.query:
            self._options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
        self._engine = create_engine(self._url, **self._options)
        self._storage: RDBStorage | None = None
        try:
            self.now()
        except DBAPIError as error:
            raise RunError(
                f"cannot use the database {self.name}: {self.explain(error)}; check the address, "
                "that the server runs, and the password in PGPASSWORD or ~/.pgpass"
            ) from None  # what it comes from may hold the password

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()

    @contextmanager
    def turn(self, study: str) -> Iterator[None]:
        """Wait until nobody else has a turn at a study, and have it while the block runs.

        A turn ends with its process, however that ends, or when a machine has frozen in it.
        """
        with self._engine.begin() as connection:
            connection.execute(text("set local idle_in_transaction_session_timeout = '60s'"))
            key = crc32(study.encode())
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": key})
            yield

    def now(self) -> float:
        """Return the server's time, in seconds since 1970."""
        with self._engine.connect() as connection:
            found = connection.execute(text("select extract(epoch from clock_timestamp())"))
            return float(found.scalar_one())

    def agree(self, study: str, record: "StudyRecord", *, resumed: bool) -> None:
        """Put a study into the database, or check that the one there is the same.

        Parameters
        ----------
        study : str
            Its name.
        record : StudyRecord
        resumed : bool
            Whether it must be there already.

        Raises
        ------
        RunError
            If it is of other data or another version of ferboost, has another plan, or is not
            there.
        """
        where = f"the study {study} in {self.name}"
        agreed = _agreed(record)
        with self.explained(), self.turn(study):
            if resumed and study not in optuna.get_all_study_names(self.tables()):
                raise RunError(f"{where} is not there any more; start a new one")
            opened = self.open(study, record)
            found = opened.user_attrs.get(_AGREED)
            if found is None:
                opened.set_user_attr(_AGREED, agreed)
                return
        _compare(where, found, agreed)

    def open(self, study: str, record: "StudyRecord") -> optuna.Study:
        """Return Optuna's view of a study, made where there is none yet; in a turn."""
        return optuna.create_study(
            storage=self.tables(),
            study_name=study,
            directions=directions(record.plan),
            sampler=RandomSampler(),
            load_if_exists=True,
        )

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what goes wrong with the database into one line."""
        try:
            yield
        except _ERRORS as error:
            raise RunError(
                f"the database {self.name} fails: {self.explain(error)}; go on by --resume once "
                "it works again"
            ) from None
        except RuntimeError as error:
            if "schema" not in str(error):
                raise
            raise RunError(
                f"the database {self.name} holds tables of another version of Optuna; give another "
                "database, or upgrade that one by: optuna storage upgrade"
            ) from None

    def tables(self) -> RDBStorage:
        """Return Optuna's tables, made where there are none yet; the first time, in a turn."""
        if self._storage is None:
            optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would tell of every trial
            url = self._url.render_as_string(hide_password=False)
            self._storage = RDBStorage(url, engine_kwargs=dict(self._options))
        return self._storage

    def explain(self, error: BaseException) -> str:
        """Return the reason in one line, without any password."""
        cause = _cause(error)
        original = getattr(cause, "orig", None) or cause
        lines = [line.strip() for line in str(original).splitlines() if line.strip()]
        said = lines[0] if lines else type(original).__name__
        for secret in (self._url.password, *map(self._url.query.get, _SECRETS)):
            if isinstance(secret, str) and secret:
                said = said.replace(secret, "***")
        return said


class DatabaseLedger:
    """The trials of a study in a database; what came out of them is copied into the study.

    Parameters
    ----------
    study : Study
        The directory of this process; its name is the study's in the database.
    database : Database
    warn : callable
        Told when the server is away, and is waited for.
    patience : Patience

    Attributes
    ----------
    trials : optuna.Study
    shared : bool
    """

    shared = True

    def __init__(
        self, study: "Study", database: Database, warn: Callable[[str], None], patience: Patience
    ) -> None:
        self._study = study
        self._database = database
        self._warn = warn
        self._patience = patience
        self._copied = {outcome.number: outcome for outcome in study.outcomes()}
        self._outcomes: dict[int, Outcome] = {}
        self._back_since = 0.0
        with database.explained(), database.turn(study.name):
            self.trials = database.open(study.name, study.record)

    def turn(self) -> AbstractContextManager[None]:
        """Wait until no other process has a turn, and have it while the block runs."""
        return self._database.turn(self._study.name)

    def attempt(self, work: Callable[[], _Result], *, patient: bool = True) -> _Result:
        """Do something, again and again while the server is away, if there is time.

        Raises
        ------
        RunError
            If it is away for too long, or refuses.
        """
        start, pause = time.monotonic(), 1.0
        with self._database.explained():
            while True:
                try:
                    done = work()
                    if pause > 1:  # the others could give no sign of life either
                        self._back_since = self._database.now()
                except _ERRORS as error:
                    late = time.monotonic() + pause > start + self._patience.outage
                    if late or not patient or not isinstance(_cause(error), OperationalError):
                        raise
                    if pause == 1:
                        reason = self._database.explain(error)
                        self._warn(f"waiting for the database {self._database.name}: {reason}")
                    time.sleep(pause)
                    pause = min(2 * pause, 30)
                else:
                    return done

    def outcomes(self) -> Mapping[int, Outcome]:
        """Return what came out of the trials that are over, by number; new ones are copied."""
        for trial in self.trials.get_trials(deepcopy=False):
            kept = trial.user_attrs.get(_OUTCOME)
            if kept is not None and trial.number not in self._outcomes:
                try:
                    outcome = Outcome.model_validate(kept)
                except ValidationError as error:
                    raise RunError(
                        f"trial {trial.number} of {self._study.name} in {self._database.name} is "
                        "damaged or of another version of ferboost; start a new study"
                    ) from error
                if self._copied.get(trial.number) != outcome:
                    write_outcome(self._study.trials_path, outcome)
                self._outcomes[trial.number] = outcome
        return self._outcomes

    def is_abandoned(self, trial: FrozenTrial) -> bool:
        """Say whether there was no sign of life for long."""
        seen: float | None = trial.user_attrs.get(_SEEN)
        if seen is None:  # its process ended in the middle of its turn
            return True
        return self._database.now() - max(seen, self._back_since) > self._patience.abandoned

    def still_at(self, trials: Iterable[optuna.Trial]) -> None:
        """Give a sign of life."""
        now = self._database.now()
        for trial in trials:
            with suppress(UpdateFinishedTrialError):  # another process has it; its end will tell
                trial.set_user_attr(_SEEN, now)

    def record(self, outcome: Outcome, trial: optuna.Trial) -> None:
        """Keep what came out of a trial."""
        trial.set_user_attr(_OUTCOME, outcome.model_dump(mode="json"))


def public_url(url: str) -> str:
    """Return an address without any password.

    Raises
    ------
    SettingsError
        If it is none of PostgreSQL.
    """
    parsed = _parse(url)
    shown = URL.create(
        "postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query
    )
    return shown.difference_update_query(_SECRETS).render_as_string(hide_password=False)


def _parse(url: str) -> URL:
    scheme, separator, _ = url.partition("://")
    try:
        if not separator or scheme not in {"postgresql", "postgres"}:
            raise ArgumentError  # noqa: TRY301
        return make_url(url).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        raise SettingsError(
            "--storage takes the address of a PostgreSQL database, such as "
            "postgresql://USER@HOST/DATABASE; what was given is none"
        ) from None  # it may hold a password


def _cause(error: BaseException) -> BaseException:
    """Return what SQLAlchemy said, which Optuna wraps."""
    return error.__cause__ or error if isinstance(error, StorageInternalError) else error


def _agreed(record: "StudyRecord") -> dict[str, Any]:  # Any: JSON values
    """Return what all processes that work on a study must have alike."""
    plan = record.plan.model_dump(mode="json", exclude={"run", "trials"})
    agreed = {
        "ferboost": record.environment["ferboost"],
        "data": [record.data.fingerprint, *record.classes],
        "votes": record.data.votes_fingerprint,
        "networks": record.networks,
        "plan": plan,
    }
    return dict(json.loads(json.dumps(agreed)))  # as the database gives it back


def _compare(where: str, found: Mapping[str, Any], agreed: Mapping[str, Any]) -> None:
    there, here = found.get("ferboost"), agreed["ferboost"]
    if there != here:
        raise RunError(
            f"{where} was started with ferboost {there}, and this is {here}: their trials are not "
            "comparable; use that version, or another name by --out"
        )
    for key, words in (
        ("data", "is of other data"),
        ("votes", "is of other votes"),
        ("networks", "has CNNs of another run"),
    ):
        if found.get(key) != agreed[key]:
            raise RunError(f"{where} {words}; give what it was started with, or another --out")
    if found.get("plan") != agreed["plan"]:
        left, right = dict(_leaves(found.get("plan"))), dict(_leaves(agreed["plan"]))
        name = next(n for n in {**left, **right} if left.get(n) != right.get(n))
        raise RunError(
            f"{where} has another plan: {name.removeprefix('settings.')} is {left.get(name)} there "
            f"and {right.get(name)} here; give what it was started with, or another --out"
        )


def _leaves(tree: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted names and the values, as JSON, of what is in a tree."""
    if isinstance(tree, Mapping):
        for key, branch in tree.items():
            yield from _leaves(branch, f"{name}.{key}" if name else str(key))
    else:
        yield name, json.dumps(tree)
