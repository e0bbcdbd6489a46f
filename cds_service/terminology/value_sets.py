"""Value sets by id, read once from FHIR ValueSet resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

from .codes import ICD_10_CM, NDC, Coding, canonical_system, coding, ndc_candidates

OPTIONAL: frozenset[str] = frozenset({"snomed", "atc"})
URL_BASE = "https://bone-health-cds.org/fhir/ValueSet/"

# The only filter understood: a code beginning with a literal, as FHIR's regex operator says it.
_PREFIX_FILTER = re.compile(r"^((?:[A-Z0-9]|\\\.)+)\.\*$")


class TerminologyError(Exception):
    """A terminology file cannot be used; the message names the file, the place in it and what was expected."""


@dataclass(frozen=True, slots=True)
class ValueSet:
    """Codes of one meaning: enumerated ones with their names, and prefixes (ICD-10-CM only)."""

    id: str
    title: str
    concepts: Mapping[str, Mapping[str, str]] = field(repr=False)  # system -> code -> display
    prefixes: tuple[str, ...] = ()

    def __contains__(self, item: object) -> bool:
        """Whether a canonical coding belongs; a 10-digit NDC does if exactly one of its readings is listed."""
        if not isinstance(item, Coding):
            return False
        listed = self.concepts.get(item.system)
        if listed is not None:
            if item.code in listed:
                return True
            if item.system == NDC:
                return sum(candidate in listed for candidate in ndc_candidates(item.code)) == 1
        return bool(self.prefixes) and item.system == ICD_10_CM and item.code.startswith(self.prefixes)

    def codes(self, system: str) -> tuple[str, ...]:
        """The enumerated codes of a system, in the order of the files; prefixes are not among them."""
        return tuple(self.concepts.get(system, ()))


def load_value_sets(optional: frozenset[str] = OPTIONAL) -> Mapping[str, ValueSet]:
    """Every value set by id, with the rows of the ``optional`` terminologies (of ``OPTIONAL``) that a site may use.

    Raises TerminologyError for a malformed file or an unknown optional terminology.
    """
    return read_value_sets(files(__package__).joinpath("value_sets"), optional)


def read_value_sets(folder: Traversable, optional: frozenset[str] = OPTIONAL) -> Mapping[str, ValueSet]:
    """The value sets of a folder: ``<id>.json``, and ``<terminology>/<id>.json`` with further rows of the same set."""
    unknown = optional - OPTIONAL
    if unknown:
        known = ", ".join(sorted(OPTIONAL))
        raise TerminologyError(f"optional terminologies: expected some of {known}, got {', '.join(sorted(unknown))}")
    sets = {set_id: _read(file) for set_id, file in _json_files(folder)}
    for terminology in sorted(optional):
        for set_id, file in _json_files(folder.joinpath(terminology)):
            if set_id not in sets:
                raise TerminologyError(f"{file}: expected a core value set {set_id}.json beside {terminology}/")
            sets[set_id] = _joined(sets[set_id], _read(file))
    return MappingProxyType(sets)


def _json_files(folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".json"):
            yield file.name.removesuffix(".json"), file


def _joined(core: ValueSet, more: ValueSet) -> ValueSet:
    concepts = {system: dict(listed) for system, listed in core.concepts.items()}
    for system, listed in more.concepts.items():
        concepts.setdefault(system, {}).update(listed)
    return ValueSet(core.id, core.title, concepts, core.prefixes + more.prefixes)


def _read(file: Traversable) -> ValueSet:
    try:
        document: object = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise TerminologyError(f"{file}: expected a JSON document: {error}") from error
    root = _object(document, file, "the document")
    if root.get("resourceType") != "ValueSet":
        raise TerminologyError(f"{file}: resourceType: expected ValueSet, got {root.get('resourceType')!r}")
    set_id = _text(root, "id", file, "")
    stem = file.name.removesuffix(".json")
    if set_id != stem:
        raise TerminologyError(f"{file}: id: expected {stem} as the file is named, got {set_id}")
    if root.get("url") != URL_BASE + set_id:
        raise TerminologyError(f"{file}: url: expected {URL_BASE}{set_id}, got {root.get('url')!r}")
    concepts: dict[str, dict[str, str]] = {}
    prefixes: list[str] = []
    compose = _object(root.get("compose", {}), file, "compose")
    if "exclude" in compose:
        raise TerminologyError(f"{file}: compose.exclude: expected none, exclusions are not supported")
    for index, include in enumerate(_list(compose.get("include", []), file, "compose.include")):
        _read_include(include, file, f"compose.include[{index}]", concepts, prefixes)
    return ValueSet(set_id, _text(root, "title", file, ""), concepts, tuple(prefixes))


def _read_include(
    include: object, file: Traversable, place: str, concepts: dict[str, dict[str, str]], prefixes: list[str]
) -> None:
    entry = _object(include, file, place)
    system = canonical_system(_text(entry, "system", file, place))
    if ("concept" in entry) == ("filter" in entry):
        raise TerminologyError(f"{file}: {place}: expected either concept or filter")
    for index, item in enumerate(_list(entry.get("concept", []), file, f"{place}.concept")):
        concept = _object(item, file, f"{place}.concept[{index}]")
        code = coding(system, _text(concept, "code", file, f"{place}.concept[{index}]")).code
        display = concept.get("display", "")
        if not isinstance(display, str):
            raise TerminologyError(f"{file}: {place}.concept[{index}].display: expected a text, got {display!r}")
        concepts.setdefault(system, {})[code] = display
    if "filter" in entry:
        prefixes.append(_read_filter(entry["filter"], system, file, f"{place}.filter"))


def _read_filter(filters: object, system: str, file: Traversable, place: str) -> str:
    listed = _list(filters, file, place)
    if len(listed) != 1 or system != ICD_10_CM:
        raise TerminologyError(f"{file}: {place}: expected exactly one filter, on {ICD_10_CM}")
    only = _object(listed[0], file, f"{place}[0]")
    value = _text(only, "value", file, f"{place}[0]")
    match = _PREFIX_FILTER.match(value)
    if only.get("property") != "code" or only.get("op") != "regex" or match is None:
        raise TerminologyError(f"{file}: {place}[0]: expected property code, op regex and a value like N18\\.3.*")
    return match.group(1).replace("\\.", ".")


def _object(value: object, file: Traversable, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TerminologyError(f"{file}: {place}: expected an object, got {type(value).__name__}")
    return value


def _list(value: object, file: Traversable, place: str) -> list[object]:
    if not isinstance(value, list):
        raise TerminologyError(f"{file}: {place}: expected a list, got {type(value).__name__}")
    return value


def _text(holder: Mapping[str, object], key: str, file: Traversable, place: str) -> str:
    value = holder.get(key)
    if not isinstance(value, str) or not value.strip():
        raise TerminologyError(f"{file}: {place + '.' if place else ''}{key}: expected a text, got {value!r}")
    return value
