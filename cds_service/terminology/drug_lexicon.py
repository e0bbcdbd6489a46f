"""What is known of drug names: ingredients, brands, salts and the words around them, read once from drugs.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from .drug_text import words
from .value_sets import TerminologyError


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A substance: its drug classes, the family in which names are interchangeable, and its usual route."""

    name: str
    classes: frozenset[str] = frozenset()
    family: str = ""
    route: str = ""
    value_set: str = ""
    unspecified: bool = False  # "calcium", "vitamin d": compatible with every member of the family
    is_salt: bool = False  # "sodium phosphate": after another drug's name it is only that drug's salt


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand: what is in it, and what its name says beyond that."""

    name: str
    ingredients: tuple[str, ...]
    dose_mg: Decimal | None = None
    antacid: bool = False
    number_is_elemental: bool = False
    not_ingredient: str = ""  # what dictionaries file it under although it is something else


@dataclass(frozen=True, slots=True)
class Salt:
    """A calcium salt: mg of calcium per mg of salt, and the strengths that need more than a multiplication."""

    fraction: Decimal | None = None
    fraction_low: Decimal | None = None
    fraction_high: Decimal | None = None
    ambiguous_mg: frozenset[Decimal] = frozenset()
    products: Mapping[Decimal, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DoseTable:
    """The classes of an injectable's doses, and the container's dose by concentration."""

    class_of_mg: Mapping[Decimal, str]
    mg_of_concentration: Mapping[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """drugs.json as look-up tables; ``phrases`` maps the words of every known name to its meaning."""

    ingredients: Mapping[str, Ingredient]
    phrases: Mapping[tuple[str, ...], Ingredient | Brand | None]  # None: known to mean nothing of interest
    longest_phrase: int
    salts: Mapping[str, Salt]
    doses: Mapping[str, DoseTable]
    iv_mg: frozenset[Decimal]
    oral_mg: frozenset[Decimal]
    before_calcium: frozenset[str]
    calcium_salts_of: frozenset[str]
    anion_endings: tuple[str, ...]
    homeopathic: frozenset[str]
    antacid: frozenset[str]
    route_words: Mapping[str, str]
    limits: Mapping[str, Decimal]
    calcium_mg_per: Mapping[str, Decimal]
    vitamin_d_iu_per: Mapping[str, Decimal]
    value_sets: Mapping[str, str]  # value set id -> ingredient


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The lexicon shipped with the software."""
    source = files(__package__).joinpath("drugs.json")
    try:
        return _build(json.loads(source.read_text(encoding="utf-8")))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise TerminologyError(f"{source}: expected the layout of a drug lexicon: {error!r}") from error


def _build(data: dict[str, Any]) -> Lexicon:
    ingredients = {name: _ingredient(name, entry) for name, entry in data["ingredients"].items()}
    phrases: dict[tuple[str, ...], Ingredient | Brand | None] = {}
    for name, entry in data["ingredients"].items():
        for spelling in (name, *entry.get("also", ())):
            phrases[words(spelling)] = ingredients[name]
    for name, entry in data["brands"].items():
        phrases[words(name)] = _brand(name, entry, ingredients)
    for spelling in data["words"]["notCalcium"]:
        phrases[words(spelling)] = None
    return Lexicon(
        ingredients=MappingProxyType(ingredients),
        phrases=MappingProxyType(phrases),
        longest_phrase=max(map(len, phrases)),
        salts=MappingProxyType({name: _salt(entry) for name, entry in data["calciumSalts"].items()}),
        doses=MappingProxyType({name: _dose_table(entry) for name, entry in data["doses"].items()}),
        iv_mg=_decimals(data["ibandronate"]["ivMg"]),
        oral_mg=_decimals(data["ibandronate"]["oralMg"]),
        before_calcium=frozenset(data["words"]["beforeCalcium"]),
        calcium_salts_of=frozenset(data["words"]["calciumSaltsOf"]),
        anion_endings=tuple(data["words"]["unknownAnionEndings"]),
        homeopathic=frozenset(data["words"]["homeopathic"]),
        antacid=frozenset(data["words"]["antacid"]),
        route_words=MappingProxyType({word: route for route, listed in data["routes"].items() for word in listed}),
        limits=_decimal_map(data["limits"]),
        calcium_mg_per=MappingProxyType({unit.lower(): Decimal(n) for unit, n in data["calciumMgPer"].items()}),
        vitamin_d_iu_per=_decimal_map(data["vitaminDIuPer"]),
        value_sets=MappingProxyType({item.value_set: name for name, item in ingredients.items() if item.value_set}),
    )


def _ingredient(name: str, entry: Mapping[str, Any]) -> Ingredient:
    return Ingredient(
        name=name,
        classes=frozenset(entry.get("classes", ())),
        family=entry.get("family", name),
        route=entry.get("route", ""),
        value_set=entry.get("valueSet", ""),
        unspecified=entry.get("unspecified", False),
        is_salt=entry.get("isSalt", False),
    )


def _brand(name: str, entry: Mapping[str, Any], ingredients: Mapping[str, Ingredient]) -> Brand:
    unknown = [item for item in entry["ingredients"] if item not in ingredients]
    if unknown:
        raise ValueError(f"brand {name}: unknown ingredient {unknown[0]}")
    return Brand(
        name=name,
        ingredients=tuple(entry["ingredients"]),
        dose_mg=Decimal(entry["doseMg"]) if "doseMg" in entry else None,
        antacid=entry.get("antacid", False),
        number_is_elemental=entry.get("numberIsElemental", False),
        not_ingredient=entry.get("notIngredient", ""),
    )


def _salt(entry: Mapping[str, Any]) -> Salt:
    exact = Decimal(entry["fraction"]) if "fraction" in entry else None
    return Salt(
        fraction=exact,
        fraction_low=Decimal(entry["fractionLow"]) if "fractionLow" in entry else exact,
        fraction_high=Decimal(entry["fractionHigh"]) if "fractionHigh" in entry else exact,
        ambiguous_mg=_decimals(entry.get("ambiguousMg", ())),
        products=MappingProxyType({Decimal(k): Decimal(v) for k, v in entry.get("elementalMgOfProduct", {}).items()}),
    )


def _dose_table(entry: Mapping[str, Any]) -> DoseTable:
    return DoseTable(
        class_of_mg=MappingProxyType({Decimal(mg): name for mg, name in entry["mg"].items()}),
        mg_of_concentration=MappingProxyType({Decimal(k): Decimal(v) for k, v in entry["mgPerMl"].items()}),
    )


def _decimals(values: Iterable[str]) -> frozenset[Decimal]:
    return frozenset(Decimal(value) for value in values)


def _decimal_map(values: Mapping[str, str]) -> Mapping[str, Decimal]:
    return MappingProxyType({key: Decimal(value) for key, value in values.items()})
