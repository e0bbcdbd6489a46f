"""Reads NLM's RxNorm release files into one SQLite file, and answers from it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sqlite3
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .value_sets import TerminologyError

_FORMAT = "1"
_FILES = {"RXNCONSO.RRF": 18, "RXNREL.RRF": 16, "RXNSAT.RRF": 13}
_TERM_TYPES = frozenset(
    {"IN", "PIN", "MIN", "BN", "SCD", "SBD", "SCDC", "SBDC", "SCDF", "SBDF", "SCDG", "SBDG", "SCDGP", "SBDFP", "SCDFP",
     "GPCK", "BPCK"}
)  # fmt: skip
_DATE = re.compile(r"(?<!\d)(20\d{6})(?!\d)")
# Releases are called RxNorm_full_prescribe_02022026.zip: month, day, year.
_US_DATE = re.compile(r"_((?:0[1-9]|1[0-2])[0-3]\d)(20\d\d)(?!\d)")
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE concept (rxcui TEXT PRIMARY KEY, name TEXT NOT NULL, tty TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ndc (ndc11 TEXT PRIMARY KEY, rxcui TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE brand (rxcui TEXT NOT NULL, ingredient TEXT NOT NULL, PRIMARY KEY (rxcui, ingredient)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import wrote."""

    target: Path
    release: str  # "20260202", or "" when neither a file nor a name told
    concepts: int
    ndcs: int
    brands: int


def import_rxnorm(source: Path, target: Path) -> ImportSummary:
    """Writes ``target`` from a release of RxNorm: a folder, its ``rrf`` folder inside, or the .zip as downloaded.

    Only NLM's own rows (SAB=RXNORM) are kept. The file appears complete or not at all.
    Raises TerminologyError for a wrong source, a truncated file or a line with the wrong number of columns.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=target.name, suffix=".part", dir=target.parent)
    os.close(handle)
    unfinished = Path(name)
    try:
        with _Release(source) as release, contextlib.closing(sqlite3.connect(unfinished)) as database:
            database.executescript(_SCHEMA)
            summary = _fill(database, release, target)
            database.commit()
        unfinished.chmod(0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return summary


class RxNormIndex:
    """Read-only look-ups in an imported file, from any thread. Raises TerminologyError if it is not one."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise TerminologyError(f"{path}: expected a file written by the RxNorm import")
        try:
            self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            row = self._database.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
            release = self._database.execute("SELECT value FROM meta WHERE key = 'release'").fetchone()
        except sqlite3.Error as error:
            raise TerminologyError(f"{path}: expected a file written by the RxNorm import: {error}") from error
        if row is None or row[0] != _FORMAT:
            raise TerminologyError(f"{path}: expected format {_FORMAT}: import the release again")
        self._lock = threading.Lock()
        self.release: str = release[0] if release else ""

    def name(self, rxcui: str) -> str | None:
        """The name of a concept, or None if the release does not hold it."""
        return self._first("SELECT name FROM concept WHERE rxcui = ?", rxcui)

    def by_ndc(self, ndc11: str) -> str | None:
        """The RXCUI of an 11-digit NDC, or None."""
        return self._first("SELECT rxcui FROM ndc WHERE ndc11 = ?", ndc11)

    def ingredients(self, rxcui: str) -> tuple[str, ...]:
        """The ingredients of a brand name, in alphabetical order; empty for any other concept."""
        query = "SELECT ingredient FROM brand WHERE rxcui = ? ORDER BY ingredient"
        with self._lock:
            return tuple(row[0] for row in self._database.execute(query, (rxcui,)))

    def close(self) -> None:
        """Lets go of the file."""
        with self._lock:
            self._database.close()

    def _first(self, query: str, key: str) -> str | None:
        with self._lock:
            row = self._database.execute(query, (key,)).fetchone()
        return None if row is None else str(row[0])


class _Release:
    """The three files of a release, wherever they are."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}

    def __enter__(self) -> _Release:
        if self.source.is_dir():
            folder = self.source / "rrf" if (self.source / "rrf").is_dir() else self.source
            self._members = {name: str(folder / name) for name in _FILES if (folder / name).is_file()}
        elif self.source.is_file() and zipfile.is_zipfile(self.source):
            self._zip = zipfile.ZipFile(self.source)
            for member in self._zip.namelist():
                folder_name, _, name = member.rpartition("/")
                if name in _FILES and folder_name in ("", "rrf"):
                    self._members[name] = member
        missing = [name for name in _FILES if name not in self._members]
        if missing:
            self.__exit__()
            raise TerminologyError(f"{self.source}: expected a folder or a .zip of RxNorm with {', '.join(missing)}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    @property
    def version(self) -> str:
        """The release date in the name of a member, of the source or of its parent, as "20260202"."""
        names = [self.source.name, self.source.absolute().parent.name]
        if self._zip is not None:
            names = [*self._zip.namelist(), *names]
        for name in names:
            if american := _US_DATE.search(name):
                return american[2] + american[1]
            if plain := _DATE.search(name):
                return plain[1]
        return ""

    def rows(self, name: str) -> Iterator[list[str]]:
        """The rows of a file; each line ends in a bar and a line feed, so that a cut-off file shows."""
        columns = _FILES[name]
        number = 0
        with self._open(name) as stream:
            try:
                for number, line in enumerate(stream, 1):
                    if not line.endswith("\n"):
                        raise TerminologyError(f"{self.source}: {name}, line {number}: the file is truncated here")
                    fields = line.rstrip("\r\n").split("|")
                    if len(fields) != columns + 1 or fields[-1]:
                        got = len(fields) - 1
                        raise TerminologyError(
                            f"{self.source}: {name}, line {number}: expected {columns} columns, got {got}"
                        )
                    yield fields
            except (UnicodeDecodeError, zipfile.BadZipFile, EOFError) as error:
                raise TerminologyError(f"{self.source}: {name}, after line {number}: {error}") from error
        if number == 0:
            raise TerminologyError(f"{self.source}: {name}: the file is empty")

    def _open(self, name: str) -> io.TextIOWrapper | io.TextIOBase:
        if self._zip is not None:
            return io.TextIOWrapper(self._zip.open(self._members[name]), encoding="utf-8", newline="\n")
        return open(self._members[name], encoding="utf-8", newline="\n")


def _fill(database: sqlite3.Connection, release: _Release, target: Path) -> ImportSummary:
    concepts: dict[str, tuple[str, str]] = {}
    for row in release.rows("RXNCONSO.RRF"):
        rxcui, sab, tty, name, suppress = row[0], row[11], row[12], row[14], row[16]
        if sab == "RXNORM" and tty in _TERM_TYPES and suppress != "E":
            concepts.setdefault(rxcui, (name, tty))
    if not concepts:
        raise TerminologyError(f"{release.source}: RXNCONSO.RRF: expected rows of source RXNORM, got none")
    brands = set(_brand_ingredients(release, concepts))
    ndcs: dict[str, str] = {}
    for row in release.rows("RXNSAT.RRF"):
        if row[9] == "RXNORM" and row[8] == "NDC" and len(row[10]) == 11 and row[10].isdecimal():
            ndcs[row[10]] = row[0]
    database.executemany("INSERT INTO concept VALUES (?, ?, ?)", ((cui, *entry) for cui, entry in concepts.items()))
    database.executemany("INSERT INTO ndc VALUES (?, ?)", ndcs.items())
    database.executemany("INSERT INTO brand VALUES (?, ?)", sorted(brands))
    version = release.version
    database.executemany("INSERT INTO meta VALUES (?, ?)", [("format", _FORMAT), ("release", version)])
    return ImportSummary(target, version, len(concepts), len(ndcs), len({brand for brand, _ in brands}))


def _brand_ingredients(release: _Release, concepts: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(brand, ingredient name); a relation says how its second concept relates to its first."""
    for row in release.rows("RXNREL.RRF"):
        first, second, relation, sab = row[0], row[4], row[7], row[10]
        if sab != "RXNORM" or relation not in ("tradename_of", "has_tradename"):
            continue
        for brand, ingredient in ((first, second), (second, first)):
            if concepts.get(brand, ("", ""))[1] == "BN" and concepts.get(ingredient, ("", ""))[1] == "IN":
                yield brand, concepts[ingredient][0]
