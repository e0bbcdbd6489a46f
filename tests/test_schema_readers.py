"""Two readers of one schema: the quick one must find sound what jsonschema finds sound, and nothing else."""

from __future__ import annotations

import copy
import datetime
import functools
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from cds_service import exact_json, schemas
from cds_service.examples import example, names

from .protocol import ORDER_SELECT, ORDER_SIGN, PATIENT_VIEW, client, order_select, order_sign, post, zoledronic
from .test_schemas import action, card

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cds_service"
URLS = {"order-select": ORDER_SELECT, "order-sign": ORDER_SIGN, "patient-view": PATIENT_VIEW}
ACCEPTED = {"card": "c", "outcome": "accepted", "outcomeTimestamp": "t", "acceptedSuggestions": [{"id": "a"}]}
REASON = {"reason": {"code": "a", "system": None, "display": "A"}, "userComment": "no"}
OVERRIDDEN = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "t", "overrideReason": REASON}
CLIENT = {"id": "ehr", "issuer": "https://ehr.example", "keys": {"url": "https://ehr.example/k"}, "maxAgeSeconds": 120}
DOSE = {"resourceType": "MedicationRequest", "id": "1", "dose": [Decimal("2.50"), 10**30, {"value": Decimal("1e-7")}]}
# Characters that one reader or another takes for white space or for the end of a line, and every kind of number.
ODD: tuple[Any, ...] = (
    *("", " ", "\t", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u200b", "\u2028", "\u3000", "\ufeff", "a\n"),
    *(
        "a",
        "A/1",
        "A/1\n",
        "a\x1cb",
        "1.0.0",
        "1.0.0\n",
        "\u0661",
        "x" * 139,
        "x" * 140,
        "😀" * 139,
        "a\\<b",
        "<b>",
        "\x00",
    ),
    *("https://a.b", "https://a.b/\n", "https://\x85", "2026-11-20", "2026-11-20\n", "(\x1cdata:", "at-most-one"),
    *(None, True, False, 0, 1, -1, 10**40, 1.0, 0.5, Decimal(1), Decimal("1.0"), Decimal("0.5"), Decimal("1e300")),
    *([], {}, [None], [[]], {"": 1}, {"a": None}, [1, Decimal("1.0")], ["a", "a"], [True, 1], {"a": {"b": []}}),
)


def read(*paths: Path) -> list[Any]:
    return [json.loads(path.read_text("utf-8")) for path in paths]


@functools.cache
def answers() -> list[Any]:
    """What the service answers to its own examples."""
    caller, today = client(), datetime.datetime.now(datetime.UTC).date()
    sent = [example(name, today) for name in names()]
    return [post(caller, URLS[body["hook"]], body).get_json() for body in sent]


def samples(name: str) -> list[Any]:
    """Sound documents of every schema."""
    orders = [order_sign(), zoledronic(prefetch={"labs": None}), order_select()]
    return {
        "request": lambda: [*orders, {**orders[0], "fhirAuthorization": {"expires_in": Decimal("300")}}],
        "context-patient-view": lambda: [{"patientId": "p", "userId": None}],
        "context-order-sign": lambda: [orders[0]["context"], orders[1]["context"]],
        "context-order-select": lambda: [orders[2]["context"], {"patientId": "p", "selections": []}],
        "feedback": lambda: [{"feedback": [ACCEPTED, OVERRIDDEN]}],
        "response": lambda: [
            {"cards": [card(), action(type="delete", resourceId="Task/1"), action(type="update", resource=DOSE)]},
            *answers(),
        ],
        "discovery": lambda: [client().get("/cds-services").get_json()],
        "clients": lambda: [{"clients": [CLIENT]}],
        "knowledge": lambda: read(*sorted(PACKAGE.glob("rules/*/*.json"))[:6], PACKAGE / "facts" / "renal.json"),
        "manifest": lambda: read(PACKAGE / "manifest.json", ROOT / "manifest.json"),
        "trace": lambda: read(PACKAGE / "trace.json"),
        "contested": lambda: read(PACKAGE / "rules" / "contested.json"),
        "vignette": lambda: read(*sorted((ROOT / "fixtures" / "vignettes").glob("*/*.json"))[::60]),
    }[name]()


def mutated(document: Any, chance: random.Random) -> Any:
    """The document with a value, a name or a member of it changed, added or left out, in one place or a few."""
    made = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(containers(made))
        if not places:
            return chance.choice(ODD)
        place = chance.choice(places)
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        match chance.randrange(4):
            case 0 if keys:
                del place[chance.choice(keys)]
            case 1 if isinstance(place, dict):
                place[chance.choice((*(k for p in places if isinstance(p, dict) for k in p), "a", "", "\x85"))] = odd(
                    chance, places
                )
            case 1:
                place.append(copy.deepcopy(chance.choice(place)) if place else odd(chance, places))
            case _ if keys:
                place[chance.choice(keys)] = odd(chance, places)
    return made


def odd(chance: random.Random, places: list[Any]) -> Any:
    return copy.deepcopy(chance.choice(ODD) if chance.random() < 0.8 else chance.choice(places))


def containers(document: Any) -> Iterator[Any]:
    if isinstance(document, dict | list) and document:
        yield document
        for value in document.values() if isinstance(document, dict) else document:
            yield from containers(value)


def quickly(document: Any, name: str) -> bool:
    """What the quick reader says by itself."""
    quick = schemas._quick(name)
    assert quick is not None
    return quick.is_valid(document)


READ_QUICKLY = sorted(schemas.names() - {"clients"})


@pytest.mark.parametrize("name", sorted(schemas.names()))
def test_sound_documents_are_sound_to_both(name: str) -> None:
    for document in samples(name):
        assert schemas.validator(name).is_valid(document)
        assert name == "clients" or quickly(document, name)
        assert schemas.problems(document, name) == []


@pytest.mark.parametrize("name", READ_QUICKLY)
def test_both_readers_judge_changed_documents_alike(name: str) -> None:
    chance, verdicts = random.Random(name), set()
    documents = sorted(samples(name), key=lambda document: len(str(document)))[:4]
    for _ in range(150 if name in ("knowledge", "discovery", "trace", "manifest") else 600):
        document = mutated(chance.choice(documents), chance)
        verdicts.add(expected := schemas.validator(name).is_valid(document))
        assert quickly(document, name) == expected, document
    assert verdicts == {True, False}


def test_a_whole_number_with_a_point_is_none_for_clients() -> None:
    """A Decimal is refused there whatever its value, so the schema that asks for whole numbers is read by one only."""
    assert schemas._quick("clients") is None
    (found,) = schemas.problems({"clients": [{**CLIENT, "maxAgeSeconds": Decimal("120.0")}]}, "clients")
    assert found.path == "clients[0].maxAgeSeconds"


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures" / "refused").glob("*.txt")), ids=lambda path: path.stem)
def test_both_readers_judge_alike_what_is_refused(path: Path) -> None:
    try:
        document = exact_json.parse(path.read_bytes())
    except exact_json.NotJson:
        return
    assert quickly(document, "request") == schemas.validator("request").is_valid(document)


@pytest.mark.parametrize("name", schemas.names())
def test_every_schema_is_a_sound_one(name: str) -> None:
    assert schemas.validator(name).check_schema(schemas.validator(name).schema) is None


def test_what_the_quick_reader_cannot_take_is_left_to_the_other() -> None:
    """Half a surrogate pair, a name that is no text, a mapping of another kind."""
    for document in ("\ud800", {1: 2}, MappingProxyType({"patientId": "p"})):
        with pytest.raises(ValueError, match=r"surrogates|Unsupported type|must be str"):
            quickly(document, "context-patient-view")
        with pytest.raises(schemas.Invalid):
            schemas.check(document, "context-patient-view")
    schemas.check({"cards": [card(summary="\ud800")]}, "response")


def test_a_schema_that_is_none_is_told_when_it_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "_schema", lambda _: {"type": "text"})
    with pytest.raises(ValueError, match="text"):
        schemas._quick.__wrapped__("any")
