"""Every shape that EHRs are known to send (V01 to V30), read at the level of resources."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cds_service.fhir import DataUnavailable, version
from cds_service.fhir.elements import Concept, Moment, PartialDate, Quantity, Ratio
from cds_service.fhir.reading import Resource
from cds_service.fhir.requirement import DataRequirement
from cds_service.fhir.source import Source
from cds_service.terminology import codes

ZONE = ZoneInfo("America/Chicago")
FOLDER = Path(__file__).parent.parent / "fixtures" / "variants"
FILES = sorted(FOLDER.glob("V*.json"))
SYSTEMS = {codes.RXNORM: "rxnorm", codes.LOINC: "loinc", codes.ATC: "atc", codes.HCPCS: "hcpcs", codes.NDC: "ndc"}
R4 = version("4.0.1")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def records(resource: Resource, source: Source) -> list[Any]:
    if resource.type in ("MedicationRequest", "MedicationStatement"):
        return [R4.medication_record(resource, source.resolve, ZONE)]
    if resource.type == "Observation":
        return list(R4.observation_records(resource, ZONE))
    if resource.type == "Patient":
        return [R4.patient_record(resource, "p1")]
    return [R4.request_record(resource, ZONE)]


def plain(value: Any) -> Any:
    """A value the way the fixtures write it."""
    if isinstance(value, Concept):
        return [f"{SYSTEMS.get(c.system, c.system)}|{c.code}" for c in value.codings] + list(value.texts)
    if isinstance(value, Quantity):
        number = "" if value.value is None else f"{value.value}"
        return f"{value.comparator}{number} {value.unit or value.code}".strip()
    if isinstance(value, Ratio):
        return f"{plain(value.numerator)} / {plain(value.denominator)}"
    if isinstance(value, Moment):
        return plain(value.date)
    if isinstance(value, PartialDate):
        return "-".join([f"{value.year:04d}", *(f"{part:02d}" for part in (value.month, value.day) if part)])
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value) if isinstance(value, Decimal) else value


def look_up(record: Any, name: str) -> Any:
    """One thing a fixture says about a record."""
    if name == "label":
        return record.medication.label
    if name == "value_code":
        return record.value.code
    if name == "effective" and hasattr(record, "dosages"):
        return [plain(record.effective.start), plain(record.effective.end)]
    if name == "reference_range" and record.reference_range is not None:
        return [plain(record.reference_range.low), plain(record.reference_range.high)]
    return plain(getattr(record, name))


def dosage_part(dosage: Any, name: str) -> Any:
    if name == "doses":
        return [plain(one.dose) for one in dosage.doses]
    if name == "kinds":
        return [one.kind for one in dosage.doses]
    if name == "timing":
        return None if dosage.timing is None else plain(dosage.timing.code)
    return plain(getattr(dosage, name))


def compare_dosage(dosage: Any, expected: dict[str, Any]) -> None:
    for name, wanted in expected.items():
        if name == "repeat":
            assert {part: plain(getattr(dosage.timing.repeat, part)) for part in wanted} == wanted
        else:
            assert dosage_part(dosage, name) == wanted, name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_variant_is_read_as_it_must_be(path: Path) -> None:
    case, received = load(path), load(path)
    source = Source(case["prefetch"], "p1", R4, ZONE)
    expected = case["read"]
    if "draftOrders" in case:
        resources = source.drafts(case["draftOrders"])
        incomplete, state, key = bool(source.unreadable_drafts(case["draftOrders"])), "data", "draftOrders"
    else:
        requirement = DataRequirement(**case["requirement"])
        if "gap" in expected:
            with pytest.raises(DataUnavailable) as gap:
                source.obtain(requirement)
            assert (gap.value.kind, gap.value.key) == (expected["gap"], requirement.key)
            return
        reading = source.obtain(requirement)
        resources, incomplete, state, key = reading.resources, reading.incomplete, reading.state, requirement.key
    found = [record for resource in resources for record in records(resource, source)]
    assert (state, incomplete) == (expected["state"], expected["incomplete"])
    assert len(found) == len(expected["records"])
    for record, wanted in zip(found, expected["records"], strict=True):
        for name, value in wanted.items():
            if name == "dosages":
                assert len(record.dosages) == len(value)
                for dosage, parts in zip(record.dosages, value, strict=True):
                    compare_dosage(dosage, parts)
            else:
                assert look_up(record, name) == value, name
    assert [problem.kind for problem in source.problems.get(key, ())] == expected.get("problems", [])
    assert case == received, "what was received has been changed"


def test_every_variant_has_at_least_two_fixtures() -> None:
    numbers = [path.name[:3] for path in FILES]
    assert {f"V{number:02d}" for number in range(1, 31) if numbers.count(f"V{number:02d}") < 2} == set()


def test_a_fixture_is_named_after_its_variant() -> None:
    assert all(load(path)["variant"] == path.name[:3] for path in FILES)
