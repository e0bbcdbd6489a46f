"""manifest.json and the rules, joined into a catalogue: everything that is checked before anything is in service."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from . import fhir, schemas, silent_mode
from .cards import Composer
from .catalogue import SHARED_FILES, Catalogue, RuleInService, ServiceEntry, SiteValue
from .catalogue_check import contested_problems, rule_problems, site_problems
from .cdshooks import Service
from .composition import Composition
from .fhir.requirement import DataRequirement
from .knowledge import Knowledge, KnowledgeError, load, read_json
from .rules import PHRASES, all_rules
from .rules.contested import points
from .rules.rule import Rule
from .terminology import Terminology, TerminologyError
from .terminology.codes import LOINC, Coding

# In a checkout a link to the manifest at the top; in a wheel a copy of it.
SHIPPED_MANIFEST = Path(__file__).with_name("manifest.json")


class ManifestError(Exception):
    """The manifest, or what it puts into service, is not sound; ``problems`` names each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def load_catalogue(manifest: Path | None = None, rxnorm: Path | None = None) -> Catalogue:
    """Reads and checks everything that is in service.

    Raises ManifestError with every problem found, each with its file and place.
    """
    file = manifest or SHIPPED_MANIFEST
    try:
        document = read_json(file, "the manifest")
    except KnowledgeError as error:
        raise ManifestError(error.problems) from error
    problems = [f"{file.name}, {p}" for p in schemas.problems(document, "manifest")]
    if problems:
        raise ManifestError(problems)
    return build(document, file.name, rxnorm)


def build(document: Mapping[str, Any], name: str = "manifest.json", rxnorm: Path | None = None) -> Catalogue:
    """A catalogue from a manifest that has the right shape; ManifestError names everything else that is wrong."""
    return _Builder(document, name, rxnorm).catalogue()


class _Builder:
    def __init__(self, document: Mapping[str, Any], name: str, rxnorm: Path | None) -> None:
        self._document = document
        self._name = name
        self._rxnorm = rxnorm
        self._problems: list[str] = []
        self._rules = all_rules()
        self._knowledge: dict[str, Knowledge] = {}
        self._composition = Composition.load()

    def catalogue(self) -> Catalogue:
        document = self._document
        version = self._fhir()
        terminology = self._terminology()
        self._read_knowledge()
        phrases = read_json(PHRASES, "the phrases")
        composer = Composer(document["canonical"], document["publisher"], phrases)
        contested = points()
        self._problems += [self._at(p) for p in self._pins()]
        self._problems += [self._at(p) for p in self._services()]
        self._problems += [self._at(p) for p in site_problems(document["site"], self._knowledge, self._rules)]
        for known in self._knowledge.values():
            self._problems += contested_problems(known, contested)
        self._problems += [self._at(p) for p in self._not_offered()]
        services = {service["id"] for service in document["services"]}
        in_service = {rule.id for rule in self._in_service()}
        silent = silent_mode.problems(document["site"].get("silent", ()), services, in_service)
        self._problems += [self._at(p) for p in silent]
        for rule in self._in_service():
            if rule.id in self._knowledge:
                self._problems += rule_problems(
                    rule, self._knowledge[rule.id], terminology, composer.suggestions, phrases
                )
        self._problems += self._composition.problems(self._rules, self._knowledge)
        if self._problems or version is None or terminology is None:
            raise ManifestError(self._problems)
        site = tuple(_site_value(value) for value in document["site"]["parameters"])
        return Catalogue(
            entries=tuple(self._entry(service, site, version, terminology) for service in document["services"]),
            knowledge=self._knowledge,
            contested=contested,
            site=site,
            fhir=version,
            terminology=terminology,
            composer=composer,
            silent_modes=silent_mode.read(document["site"].get("silent", ())),
            manifest=document,
        )

    def _at(self, problem: str) -> str:
        return f"{self._name}, {problem}"

    def _fhir(self) -> ModuleType | None:
        try:
            return fhir.version(self._document["fhirVersion"])
        except ValueError as error:
            self._problems.append(self._at(f"fhirVersion: {error}"))
            return None

    def _terminology(self) -> Terminology | None:
        optional = frozenset(self._document.get("terminology", {}).get("optional", ()))
        try:
            return Terminology.load(optional=optional, rxnorm_path=self._rxnorm)
        except TerminologyError as error:
            self._problems.append(str(error))
            return None

    def _read_knowledge(self) -> None:
        """Every knowledge file that is pinned or needed; each broken one is a problem of its own."""
        files = {**SHARED_FILES, **{rule.id: rule.knowledge_file for rule in self._rules.values()}}
        for id_, file in files.items():
            try:
                known = load(file)
            except KnowledgeError as error:
                self._problems += error.problems
                continue
            if known.id == id_:
                self._knowledge[id_] = known
            else:
                self._problems.append(f"{file.name}, id: got {known.id!r}, expected {id_!r} as the rule is called")

    def _pins(self) -> Iterator[str]:
        known = {*SHARED_FILES, *self._rules}
        pinned: dict[str, str] = {}
        for index, pin in enumerate(self._document["knowledge"]):
            place = f"knowledge[{index}]"
            if pin["id"] in pinned:
                yield f"{place}.id: {pin['id']!r} is pinned twice"
            pinned[pin["id"]] = pin["version"]
            if pin["id"] not in known:
                yield f"{place}.id: there is no rule or fact {pin['id']!r}; known: {', '.join(sorted(known))}"
            elif pin["id"] in self._knowledge and self._knowledge[pin["id"]].version != pin["version"]:
                actual = self._knowledge[pin["id"]]
                yield (
                    f"{place}.version: {pin['version']} is approved, but {actual.file} has {actual.version}; "
                    "review the change and pin the new version, or restore the old file"
                )
        for id_ in (*SHARED_FILES, *(r.id for r in self._in_service())):
            if id_ not in pinned:
                yield f"knowledge: {id_!r} is in service without an approved version; add one"

    def _not_offered(self) -> Iterator[str]:
        known = sorted({r.key for rule in self._in_service() for r in rule.requires})
        for index, entry in enumerate(self._document["site"].get("notOffered", ())):
            if entry["key"] not in known:
                place = f"site.notOffered[{index}].key"
                yield f"{place}: no rule in service needs {entry['key']!r}; known: {', '.join(known)}"

    def _in_service(self) -> tuple[Rule, ...]:
        named = dict.fromkeys(id_ for service in self._document["services"] for id_ in service["rules"])
        return tuple(self._rules[id_] for id_ in named if id_ in self._rules)

    def _services(self) -> Iterator[str]:
        seen = set()
        for index, service in enumerate(self._document["services"]):
            place = f"services[{index}]"
            if (service["id"], service["hook"]) in seen:
                yield f"{place}: the id {service['id']!r} is listed twice for the hook {service['hook']!r}"
            seen.add((service["id"], service["hook"]))
            for number, id_ in enumerate(service["rules"]):
                rule = self._rules.get(id_)
                if rule is None:
                    yield f"{place}.rules[{number}]: there is no rule {id_!r}; known: {', '.join(sorted(self._rules))}"
                elif service["hook"] not in rule.hooks:
                    hooks = ", ".join(rule.hooks)
                    yield f"{place}.rules[{number}]: {id_!r} is not written for {service['hook']}, only for {hooks}"
                elif id_ in self._knowledge and self._knowledge[id_].status != "active":
                    yield f"{place}.rules[{number}]: {id_!r} is {self._knowledge[id_].status}, not active"

    def _entry(
        self, service: Mapping[str, Any], site: tuple[SiteValue, ...], version: ModuleType, terminology: Terminology
    ) -> ServiceEntry:
        disabled = self._document["site"]["disabledRules"]
        rules = tuple(
            RuleInService(self._rules[id_], self._knowledge[id_], tuple(s for s in site if s.rule == id_))
            for id_ in service["rules"]
            if id_ not in disabled
        )
        absent = frozenset(entry["key"] for entry in self._document["site"].get("notOffered", ()))
        needed = {requirement.key for requirement in requirements(rules)}
        published = Service(
            id=service["id"],
            hook=service["hook"],
            title=service["title"],
            description=service["description"],
            prefetch={k: q for k, q in _prefetch(rules, version, terminology).items() if k not in absent},
            usage_requirements=self._usage(service, sorted(needed & absent)),
            version=self._document["cdsHooksVersion"],
            hook_version=service.get("hookVersion", ""),
        )
        return ServiceEntry(published, rules, absent)

    def _usage(self, service: Mapping[str, Any], absent: Sequence[str]) -> str:
        """What a service needs, what it cannot check here because the site has no such data, and if it is silent."""
        said, notices = [service.get("usageRequirements", "")], self._composition.notices
        if absent:
            names = ", ".join(self._composition.keys.get(key, key) for key in absent)
            said.append(notices["not-offered"].format(what=names))
        for mode in silent_mode.read(self._document["site"].get("silent", ())):
            if mode.service == service["id"] and not mode.rule and not mode.client:
                said.append(notices["silent"].format(until=mode.until))
        return " ".join(filter(None, said))


def requirements(rules: Iterable[RuleInService]) -> tuple[DataRequirement, ...]:
    """What the rules of one service need together, each key once."""
    union: dict[str, DataRequirement] = {}
    for in_service in rules:
        for requirement in in_service.rule.requires:
            if union.setdefault(requirement.key, requirement) != requirement:
                raise ManifestError([f"the key {requirement.key!r} means two different requirements"])
    return tuple(union.values())


def _prefetch(rules: Iterable[RuleInService], version: ModuleType, terminology: Terminology) -> Mapping[str, str]:
    def codes(value_set: str) -> Iterable[Coding]:
        return [Coding(LOINC, code) for code in terminology.value_set(value_set).codes(LOINC)]

    return {requirement.key: version.query(requirement, codes) for requirement in requirements(rules)}


def _site_value(document: Mapping[str, Any]) -> SiteValue:
    since = datetime.date.fromisoformat(document["from"])
    return SiteValue(document["rule"], document["parameter"], document["value"], since)
