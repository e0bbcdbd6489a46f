"""Resources made from the shapes that are recognised, sound ones and such as are not quite."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import bodies
from cds_service.exact_json import parse
from cds_service.fhir.lengths import LONGEST_LIST, LONGEST_TEXT
from cds_service.fhir.r4.legacy import modernized, type_meant
from cds_service.fhir.r4.plain import TYPES
from cds_service.fhir.r4.plain.datatypes import DEFINITIONS
from cds_service.fhir.r4.plain.resources import RESOURCES

Json = dict[str, Any]
FIXTURES = Path(__file__).parent.parent / "fixtures"

TEXTS = [
    *["", " ", "  ", "\n", "\t", "\x0b", "\x1c", "\x85", "\u00a0", "\u2028", "\u3000", "\ud800", "a\udfffb", "\x00"],
    *[" a", "a ", "a  b", "a\tb", "a\nb", "a\n", "\na", "a\u00a0b", "\u00a0a", "a b", "µg", "骨", "😀", "e\u0301"],
    *["x" * LONGEST_TEXT, "x" * (LONGEST_TEXT + 1), "骨" * LONGEST_TEXT, " " * LONGEST_TEXT, "x" * 64, "x" * 65],
    *["true", "1", "1.0", "null", "Patient/p1", "#m", "urn:uuid:1", "http://loinc.org", "a_b", "a/b", "x" * 255],
]
TIMES = (
    ["2023-02-28", "2023-02-29", "2024-02-29", "2023-02-30", "2023-04-31", "2023-12-31", "2023-13-01", "2023-00-10"]
    + ["2023-01-00", "2023-01-32", "2023", "2023-01", "2023-1-1", "0000-01-01", "0000", "0001", "1899-12-31", "2100"]
    + ["9999-12-31", "20230101", "2023-01-01T10:00", "2023-01-01T10:00:00", "2023-01-01T10:00:00Z", "1700000000"]
    + ["2023-01-01T24:00:00Z", "2023-01-01T23:59:60Z", "2023-01-01T23:60:00Z", "2023-01-01 10:00:00Z", "٢٠٢٣"]
    + ["2023-01-01T10:00:00+14:00", "2023-01-01T10:00:00+13:59", "2023-01-01T10:00:00-00:00", "2023-02-29T10:00:00Z"]
    + ["2023-01-01T10:00:00+24:00", "2023-01-01T10:00:00.Z", "2023-01-01T10:00:00.1Z", "2023-01-01T10:00:00z"]
    + ["2023-01-01T10:00:00." + "1" * count + "Z" for count in (3, 6, 7, 9, 10, 30)]
    + ["1900-01-01T00:00:00+13:59", "2099-12-31T23:59:59.999999999-13:59", "2023-01-01\n", " 2023-01-01"]
    + ["08:00:00", "08:00", "24:00:00", "23:59:60", "08:00:00.123", "08:00:00Z", "8:00:00"]
)
NUMBERS: list[Any] = (
    [0, 1, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, 10**99, -(10**99), True, False, 1.5, 1.0]
    + [
        Decimal(text)
        for text in ("1", "1.0", "0", "-0", "0.00", "1E+5", "1E-7", "0E+3", "1e200", "1e-200", "2147483648.0")
    ]
    + [Decimal(text) for text in ("NaN", "sNaN", "Infinity", "-Infinity", "0." + "1" * 99, "1" * 100)]
)
SHAPES: list[Any] = [None, [], {}, [None], [[]], [{}], ["x"], {"id": "x"}, {"id": ""}, {"extension": []}, {"text": "x"}]
SHAPES += [{"extension": [{"url": "http://e.example"}]}, {"resourceType": "Observation"}, [{"code": "x"}, None]]
SHAPES += [["x"] * LONGEST_LIST, ["x"] * (LONGEST_LIST + 1), [{"text": "x"}] * (LONGEST_LIST + 1)]
UNKNOWN = ["colour", "_value", "_text", "fhir_comments", "extension", "modifierExtension", "resource_type", "code__ext"]
UNKNOWN += ["resourceType", "valueString", "valueTime", "valueSampledData", "text", "id", "", "contained", "__class__"]

_SOUND_TEXTS = ["x", "17861-6", "Calcium in Serum", "http://loinc.org", "mg/dL", "µg", "a\nb", "x" * LONGEST_TEXT]
_SOUND_TEXTS += ["2023", "2023-04", "2023-04-30", "2023-04-30T10:00:00Z", "2023-04-30T10:00:00.123+02:00", "10:00:00"]
_SOUND_NUMBERS = [1, 2, 30, Decimal("1.5"), Decimal("0.10")]
CHOICES = ("value", "effective", "medication", "reported", "asNeeded", "allowed", "dose", "rate", "bounds", "author")
CHOICES += ("onset", "abatement", "deceased", "multipleBirth", "occurrence", "item")
_REFERRED = {str(schema["ref"]): schema for schema in DEFINITIONS}


def hostile(random: Random) -> Any:
    return copy.deepcopy(random.choice(random.choice((TEXTS, TIMES, NUMBERS, SHAPES))))


def resource(random: Random, type_name: str, ill: float) -> Json:
    """A resource of some of the elements that are recognised; each value is a hostile one with probability ``ill``."""
    made: Json = _value(random, RESOURCES[type_name], ill, 0)
    return made


def _value(random: Random, schema: Mapping[str, Any], ill: float, depth: int) -> Any:
    if depth and random.random() < ill:
        return hostile(random)
    kind = schema["type"]
    if kind == "definition-ref":
        return _value(random, _REFERRED[schema["schema_ref"]], ill, depth)
    if kind == "function-after":
        return _value(random, schema["schema"], ill, depth)
    if kind == "typed-dict":
        return _object(random, schema["fields"], ill, depth)
    if kind == "list":
        return [_value(random, schema["items_schema"], ill, depth + 1) for _ in range(random.choice((1, 1, 1, 2)))]
    if kind == "literal":
        return schema["expected"][0]
    if kind == "bool":
        return random.random() < 0.5
    if kind == "any":
        return hostile(random)
    if kind == "str":
        return random.choice(_fitting(schema.get("pattern", "")))
    return random.choice(_SOUND_NUMBERS[:3] if kind == "int" else _SOUND_NUMBERS)


@cache
def _fitting(pattern: str) -> list[str]:
    return [text for text in _SOUND_TEXTS if re.search(pattern, text)]


def _object(random: Random, fields: Mapping[str, Any], ill: float, depth: int) -> Json:
    needed = [name for name, field in fields.items() if field["required"]]
    others = [name for name, field in fields.items() if not field["required"]]
    chosen = [name for name in needed if random.random() >= ill / 4]
    chosen += random.sample(others, min(len(others), random.choice((1, 1, 2, 3) if depth else (3, 5, 8))))
    for choice in CHOICES:
        several = [name for name in fields if re.match(f"{choice}[A-Z](?!nd)", name)]
        if len(several) > 1 and random.random() >= ill:
            kept = random.choice(several)
            is_there = choice in ("medication", "item") or not set(several).isdisjoint(chosen)
            chosen = [name for name in chosen if name not in several] + [kept] * is_there
    made = {name: _value(random, fields[name]["schema"], ill, depth + 1) for name in chosen}
    if random.random() < ill:
        made[random.choice(UNKNOWN)] = hostile(random)
    return made


def mutated(random: Random, resource: Json, times: int) -> Json:
    """A copy of a resource with so many changes at random places."""
    changed = copy.deepcopy(resource)
    for _ in range(times):
        holders = list(_holders(changed))
        holder = random.choice(holders)
        place = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match random.randrange(7):
            case 0 | 1:
                holder[place] = hostile(random)
            case 2:
                del holder[place]
            case 3:
                holder[place] = [holder[place]]
            case 4 if isinstance(holder[place], list) and holder[place]:
                holder[place] = holder[place][0]
            case 5 if isinstance(holder, dict):
                holder[random.choice(UNKNOWN)] = hostile(random)
            case _ if isinstance(holder, dict):
                other = random.choice(holders)
                if isinstance(other, dict):
                    holder.update(copy.deepcopy(dict(random.sample(sorted(other.items(), key=str), 1))))
            case _:
                holder.append(hostile(random))
        if not changed:
            return changed
    return changed


def _holders(node: Any) -> Iterator[Any]:
    if isinstance(node, (dict, list)) and node:
        yield node
        for member in list(node.values()) if isinstance(node, dict) else node:
            yield from _holders(member)


def recorded() -> list[tuple[str, Json]]:
    """Every resource among the fixtures and the requests for measuring, as it comes to be checked, each once."""
    found: dict[str, tuple[str, Json]] = {}
    for path in sorted(FIXTURES.rglob("*.json")):
        # Parsed as a member, since some of them are lists.
        document = parse(b'{"all":' + path.read_bytes() + b"}")
        _collect(document, found)
    for kind in bodies.KINDS:
        _collect(parse(bodies.body(kind, 31_000)), found)
    return list(found.values())


def _collect(node: Any, found: dict[str, tuple[str, Json]]) -> None:
    if isinstance(node, dict):
        sent = node.get("resourceType")
        if isinstance(sent, str) and type_meant(sent) in TYPES:
            current = dict(modernized(type_meant(sent), node)[0])
            found[json.dumps(current, default=str, sort_keys=True)] = (type_meant(sent), current)
    for member in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _collect(member, found)
