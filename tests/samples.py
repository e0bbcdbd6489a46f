"""Records the sample values of the cards: for each outcome and case, what its words read of the simplest vignette.

``python -m tests.samples`` writes them anew, as ``make trace`` does.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from cds_service.catalogue import Catalogue
from cds_service.cdshooks import Suggestion
from cds_service.composition import Told
from cds_service.documentation.samples import FOLDER
from cds_service.evaluation import evaluate
from cds_service.fhir.resource import Resource
from cds_service.knowledge import load as load_knowledge
from cds_service.manifest import SHIPPED_MANIFEST, build
from cds_service.rules import all_rules
from cds_service.rules.rule import Finding
from cds_service.suggestions import Session
from cds_service.web.wire import encode, parse
from cds_service.wording import text

from . import ehr as bench
from .vignettes import Vignette, load, name_of, paths

ZONE = datetime.UTC
NOW = datetime.datetime(2026, 12, 1, 12, 0, tzinfo=ZONE)

Json = dict[str, Any]
Reached = tuple[str, str]  # outcome, case


class Recorder:
    """A fact that notes what is read of it, and reads like the fact."""

    def __init__(self, fact: Any) -> None:
        self._fact = fact
        self._read: dict[str, Any] = {}
        self._text: str | None = None
        self._asked = False

    def __getattr__(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = recorded(getattr(self._fact, name))
        return self._read[name]

    def __str__(self) -> str:
        self._text = text(self._fact)
        return self._text

    def __bool__(self) -> bool:
        self._asked = True
        return bool(self._fact)

    @property
    def was_read(self) -> bool:
        return self._asked or self._text is not None or bool(self._read)

    def to_json(self) -> Json:
        of = {name: written(value) for name, value in self._read.items()}
        return {
            **({"text": self._text} if self._text is not None else {}),
            **({"of": of} if of else {}),
            **({} if bool(self._fact) else {"holds": False}),
        }


def recorded(value: Any) -> Any:
    """The value so that what is read of it is noted: facts are wrapped, plain values are as they are."""
    if isinstance(value, tuple | list | frozenset):
        return tuple(recorded(item) for item in value)
    if value is None or isinstance(value, str | bool | int | Decimal | datetime.date | Resource):
        return value
    return Recorder(value)


def written(value: Any) -> Any:
    """A recorded value as the file of samples holds it."""
    if isinstance(value, Recorder):
        return value.to_json()
    if isinstance(value, tuple):
        return [written(item) for item in value]
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime.date):
        return {"date": value.isoformat()}
    if isinstance(value, Resource):
        return {"resource": value.raw}
    return value


@cache
def everything(site: str = "{}") -> Catalogue:
    """A catalogue in which every rule that exists serves each hook it is written for, whatever the manifest lists."""
    manifest = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    rules = all_rules().values()
    for service in manifest["services"]:
        service["rules"] = [rule.id for rule in rules if service["hook"] in rule.hooks]
    pinned = {pin["id"]: pin for pin in manifest["knowledge"]}
    for rule in rules:
        pinned[rule.id] = {"id": rule.id, "version": load_knowledge(rule.knowledge_file).version}
    manifest["knowledge"] = list(pinned.values())
    manifest["site"]["disabledRules"] = []
    manifest["site"]["parameters"] = [
        {"rule": rule, "parameter": name, "value": value, "reason": "-", "approvedBy": "-", "from": "2026-01-01"}
        for rule, values in json.loads(site, parse_float=Decimal).items()
        for name, value in values.items()
    ]
    return build(manifest)


def alone(catalogue: Catalogue, rule: str) -> Catalogue:
    """A catalogue with one rule, so that no fact is there already because another rule asked for it."""
    entries = tuple(
        dataclasses.replace(entry, rules=tuple(r for r in entry.rules if r.rule.id == rule))
        for entry in catalogue.entries
    )
    return dataclasses.replace(catalogue, entries=entries)


def findings(rule: str, vignette: Vignette, now: datetime.datetime = NOW) -> Iterator[tuple[Catalogue, Finding]]:
    """What a rule finds in a vignette, whether or not the manifest puts it into service."""
    catalogue = alone(everything(json.dumps(vignette.site, sort_keys=True)), rule)
    for entry in catalogue.entries:
        if entry.rules and entry.service.hook == vignette.hook:
            body = parse(json.dumps(bench.request(entry.service.to_json(), vignette)).encode())
            for result in evaluate(catalogue, body, entry.service.id, now, now.tzinfo or ZONE).results:
                yield from ((catalogue, finding) for finding in result.findings)


def sample(catalogue: Catalogue, rule: str, finding: Finding, vignette: Vignette) -> tuple[Json, Sequence[Suggestion]]:
    """What the words of the finding's card read, and what the card suggests."""
    in_service = next(r for entry in catalogue.entries for r in entry.rules if r.rule.id == rule)
    orders = tuple(Recorder(order) for order in finding.about)
    values = {name: recorded(value) for name, value in finding.values.items()}
    noted: Any = msgspec.structs.replace(finding, about=orders, values=values)
    told = Told(in_service.rule, in_service.knowledge, in_service.parameters(NOW.date()), noted)
    session = Session("sample", "Practitioner/sample", NOW.date(), catalogue.fhir)
    card = catalogue.composer.cards([told], session, 1)[0]
    catalogue.composer.short(told)
    document = {
        "outcome": finding.outcome,
        "case": finding.case,
        "vignette": vignette.name,
        "orders": [order.to_json() for order in orders],
        "values": {name: written(value) for name, value in values.items() if matters(value)},
    }
    return document, card.suggestions


def matters(value: Any) -> bool:
    """Whether a value has to be in the sample: it was read, and is not what a missing one reads like."""
    if isinstance(value, Recorder):
        return value.was_read
    return value is not None and value is not False and value != ()


Rank = tuple[bool, bool, bool, bool, int, int, str]


def rank(file: Path, offers: Sequence[Suggestion]) -> Rank:
    """How little a vignette serves as a sample: least where nothing is withheld, failed or set by a site, where
    something is recommended or at least offered, where most words are looked at, and where the patient is simple.
    """
    document = json.loads(file.read_text("utf-8"))
    special = any(document.get(member) for member in ("withhold", "failed", "unasked", "site"))
    mentions = sum(len(finding["mentions"]) for finding in document["expect"]["findings"])
    unasked = document["hook"] == "patient-view"
    recommended = any(offer.is_recommended for offer in offers)
    return special, unasked, not recommended, not offers, -mentions, file.stat().st_size, file.name


def record(rule: str) -> list[Json]:
    """A sample for each outcome and case of a rule that a vignette reaches, the rule's own vignettes first."""
    wanted = [(o, c) for o, cases in everything().knowledge[rule].outcomes.items() for c in cases]
    own = [path for path in paths() if path.parent.name == rule]
    others = [path for path in paths() if path.parent.name != rule and rule in path.read_text("utf-8")]
    found: dict[Reached, tuple[Rank, Json]] = {}
    for files in (own, others):
        if len(found) < len(wanted):
            for reached, candidate in candidates(rule, files, wanted):
                if reached not in found or candidate[0] < found[reached][0]:
                    found[reached] = candidate
    return [found[reached][1] for reached in wanted if reached in found]


def candidates(rule: str, files: list[Path], wanted: list[Reached]) -> Iterator[tuple[Reached, tuple[Rank, Json]]]:
    """Every finding of a rule in these vignettes as a sample, with its rank."""
    for file in files:
        vignette = load(file, NOW)
        for catalogue, finding in findings(rule, vignette):
            made, offers = sample(catalogue, rule, worded(wanted, finding), vignette)
            yield (made["outcome"], made["case"]), (rank(file, offers), made)


def worded(wanted: list[Reached], finding: Finding) -> Finding:
    """The finding in the case whose words it is told in: a case without words of its own has those of the outcome."""
    own = (finding.outcome, finding.case) in wanted
    return finding if own else msgspec.structs.replace(finding, case="")


def again(rule: str, kept: Mapping[str, Any]) -> Json | None:
    """A recorded sample made anew from its vignette."""
    file = next(path for path in paths() if name_of(path) == kept["vignette"])
    wanted = [(o, c) for o, cases in everything().knowledge[rule].outcomes.items() for c in cases]
    made = (one for reached, (_, one) in candidates(rule, [file], wanted) if reached == (kept["outcome"], kept["case"]))
    return next(made, None)


def in_lines(found: list[Json]) -> str:
    """The file of a rule: one line for each sample, numbers exactly as they were."""
    lines = ",\n".join(" ".join(line.strip() for line in encode(one).splitlines()) for one in found)
    return f'{{\n"day": "{NOW.date()}",\n"samples": [\n{lines}\n]\n}}\n'


def main() -> None:
    """Writes the samples of every rule."""
    for rule in all_rules():
        (FOLDER / f"{rule}.json").write_text(in_lines(record(rule)), "utf-8")


if __name__ == "__main__":
    main()
