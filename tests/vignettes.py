"""Vignettes read from fixtures/vignettes, with every relative date put in terms of the day of the test.

A date is written relative to the moment of the test, between braces, anywhere in a text::

    {T}              today, as a date (in the site's time zone)
    {T-30d}          30 days ago; w = weeks, mo = calendar months, y = calendar years
    {T-1y-5d}        sums, from left to right; a month or a year that lacks the day ends on its last one
    {T-30d@08:00}    that day at 08:00 on the site's clock, as a dateTime with the site's offset
    {T-30d@08:00Z}   the same instant written in UTC, as many servers write it
    {T+6h} {T-23h}   hours (h) and minutes (min) from now, as an instant with the site's offset

``{T-71y}`` as a birth date makes a patient who turns 71 today, ``{T-19y+1d}`` one who is 18 until tomorrow.

``chart`` is the path of a Bundle under fixtures, or a list of such paths and of resources; of two resources with the
same type and id the later one counts. Keys beside those of the file's schema do not exist:

``orders``       the drafts of the session (``context.draftOrders``)
``selections``   ids of the drafts just selected (order-select); absent: all of them
``unasked``      resources the EHR sends under a prefetch key although the query would not find them
``withhold``     prefetch keys that are not sent; ``failed``: keys answered with an OperationOutcome
``enable``       rules that the shipped manifest switches off (``site.disabledRules``), switched on for this case
``site``         values of a hospital's own, by rule (or shared knowledge) and parameter
``expect``       findings that must be there, rules that must say nothing, status (200 unless said), actions that
                 must be suggested (``suggestions``) and that must not be (``noSuggestions``)
"""

from __future__ import annotations

import calendar
import datetime
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

FIXTURES = Path(__file__).parent.parent / "fixtures"
Json = dict[str, Any]

# The day of every test: an evening in a zone half an hour off the others, when it is already tomorrow in UTC.
ZONE = ZoneInfo("America/St_Johns")
NOW = datetime.datetime(2027, 3, 17, 22, 10, tzinfo=ZONE)

_DATE = re.compile(r"\{T((?:[+-]\d+(?:min|mo|[hdwy]))*)(?:@(\d\d):(\d\d)(Z?))?\}")
_BRACED = re.compile(r"\{T(?!-score\})[^}]*\}")  # UCUM writes the unit of a T-score in braces too
_STEP = re.compile(r"([+-]\d+)(min|mo|[hdwy])")


class VignetteError(ValueError):
    """A vignette that cannot be read: which file, and what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that must be there; every text of ``mentions`` stands on the card that carries it."""

    rule: str
    outcome: str
    indicator: str
    mentions: tuple[str, ...] = ()
    order: str = ""


@dataclass(frozen=True, slots=True)
class Vignette:
    """One case with its dates filled in; ``rule`` is the folder it lies in, ``name`` is ``rule/file``."""

    name: str
    rule: str
    title: str
    why: str
    hook: str
    chart: tuple[Json, ...]
    orders: tuple[Json, ...]
    selections: tuple[str, ...] | None
    unasked: Mapping[str, tuple[Json, ...]]
    withhold: frozenset[str]
    failed: frozenset[str]
    site: Mapping[str, Mapping[str, Any]]
    findings: tuple[Expected, ...]
    silent: frozenset[str]
    status: int = 200
    suggestions: tuple[Json, ...] = ()
    no_suggestions: tuple[Json, ...] = ()
    enable: frozenset[str] = frozenset()

    @property
    def rules(self) -> frozenset[str]:
        """The rules that must be in service before everything it expects can be seen."""
        return frozenset({self.rule, *(finding.rule for finding in self.findings)})

    def waits_for(self, in_service: frozenset[str]) -> frozenset[str]:
        """The rules it still waits for."""
        return self.rules - in_service - self.enable


def paths() -> tuple[Path, ...]:
    """Every vignette's file, in a fixed order."""
    return tuple(sorted((FIXTURES / "vignettes").glob("*/*.json")))


def name_of(path: Path) -> str:
    """``rule/file``: how a vignette is called in a test's id and in messages."""
    return f"{path.parent.name}/{path.stem}"


def load(path: Path, now: datetime.datetime = NOW) -> Vignette:
    """The vignette in ``path`` as it reads at ``now`` (aware, in the site's time zone)."""
    document = read(path, now)
    expect = document["expect"]
    return Vignette(
        name=name_of(path),
        rule=path.parent.name,
        title=document["title"],
        why=document["why"],
        hook=document["hook"],
        chart=_chart(document["chart"], now, path),
        orders=tuple(document["orders"]),
        selections=tuple(document["selections"]) if "selections" in document else None,
        unasked={key: tuple(resources) for key, resources in document.get("unasked", {}).items()},
        withhold=frozenset(document.get("withhold", ())),
        failed=frozenset(document.get("failed", ())),
        enable=frozenset(document.get("enable", ())),
        site=document.get("site", {}),
        findings=tuple(
            Expected(**{**finding, "mentions": tuple(finding["mentions"])}) for finding in expect["findings"]
        ),
        silent=frozenset(expect["silent"]),
        status=expect.get("status", 200),
        suggestions=tuple(expect.get("suggestions", ())),
        no_suggestions=tuple(expect.get("noSuggestions", ())),
    )


def load_all(now: datetime.datetime = NOW) -> Iterator[Vignette]:
    """Every vignette as it reads at ``now``."""
    return (load(path, now) for path in paths())


def read(path: Path, now: datetime.datetime) -> Json:
    """A file's JSON with its relative dates filled in."""
    try:
        document: Json = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_no_duplicates)
        expanded: Json = expand(document, now)
    except ValueError as error:
        raise VignetteError(f"{path}: {error}") from error
    return expanded


def expand(value: Any, now: datetime.datetime) -> Any:
    """``value`` with every ``{T…}`` in its texts replaced; what looks like one and is not is an error."""
    if isinstance(value, str):
        return _BRACED.sub(lambda found: moment(found.group(), now), value)
    if isinstance(value, list):
        return [expand(item, now) for item in value]
    if isinstance(value, dict):
        return {key: expand(item, now) for key, item in value.items()}
    return value


def moment(text: str, now: datetime.datetime) -> str:
    """One ``{T…}`` as a FHIR date, or as a dateTime where a time of day or hours are asked for."""
    if not (match := _DATE.fullmatch(text)):
        raise VignetteError(f"{text!r} is not a relative date; write {{T-30d}}, {{T-1y-5d@08:00}} or {{T+6h}}")
    steps, hour, minute, utc = match.groups()
    clocked = "h" in steps or "min" in steps
    if clocked and hour:
        raise VignetteError(f"{text!r} has both hours from now and a time of day; choose one")
    moved = now.replace(microsecond=0)
    for amount, unit in _STEP.findall(steps):
        moved = _step(moved, int(amount), unit)
    if hour:
        moved = moved.replace(hour=int(hour), minute=int(minute), second=0)
    elif not clocked:
        return moved.date().isoformat()
    return moved.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z") if utc else moved.isoformat()


def _step(when: datetime.datetime, amount: int, unit: str) -> datetime.datetime:
    """Hours and minutes move the instant; days and more move the date and keep the clock's reading."""
    if unit in ("h", "min"):
        elapsed = datetime.timedelta(hours=amount) if unit == "h" else datetime.timedelta(minutes=amount)
        return (when.astimezone(datetime.UTC) + elapsed).astimezone(when.tzinfo)
    if unit in ("d", "w"):
        return when + datetime.timedelta(days=amount * (7 if unit == "w" else 1))
    months = when.year * 12 + when.month - 1 + amount * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return when.replace(year=year, month=month + 1, day=min(when.day, last))


def _chart(chart: str | list[Any], now: datetime.datetime, path: Path) -> tuple[Json, ...]:
    found: dict[tuple[str, str], Json] = {}
    for item in [chart] if isinstance(chart, str) else chart:
        resources = [item] if isinstance(item, dict) else _bundle(item, now, path)
        for resource in resources:
            found[resource["resourceType"], resource["id"]] = resource
    return tuple(found.values())


def _bundle(name: str, now: datetime.datetime, path: Path) -> list[Json]:
    file = FIXTURES / name
    if not file.is_file():
        raise VignetteError(f"{path}: there is no chart {name} under {FIXTURES}")
    return [entry["resource"] for entry in read(file, now)["entry"]]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> Json:
    names = [name for name, _ in pairs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the key {repeated[0]!r} is there twice in one object")
    return dict(pairs)
