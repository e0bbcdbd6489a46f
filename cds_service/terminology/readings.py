"""What one code or one text says of a medication, and whether two such readings fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from .attribution import Mention
from .codes import HCPCS, Coding
from .contents import calcium_contents, vitamin_d_contents
from .drug_lexicon import Ingredient, Lexicon
from .drug_names import ParsedName, parse_name
from .drug_text import Strength
from .products import Content


@dataclass(frozen=True, slots=True)
class KnownCode:
    """A code of the value sets: its name and the ingredients it certainly has."""

    display: str
    ingredients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one coding or one text says."""

    ingredients: tuple[Ingredient, ...]
    brand: str = ""
    route: str = ""
    doses: frozenset[Decimal] = frozenset()
    concentrations: frozenset[Decimal] = frozenset()
    brand_dose: Decimal | None = None
    calcium: tuple[Content, ...] = ()
    vitamin_d: tuple[Content, ...] = ()
    antacid: bool = False
    homeopathic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def substances(self) -> frozenset[Ingredient]:
        return frozenset(item for item in self.ingredients if item.family not in ("other", "multivitamin"))


def read_code(coding: Coding, entry: KnownCode, lexicon: Lexicon) -> Reading:
    """The code's confirmed name, read like any name; its ingredients are certain whatever the name says."""
    reading = read_text(entry.display, lexicon, with_strengths=coding.system != HCPCS)
    certain = tuple(lexicon.ingredients[name] for name in entry.ingredients)
    named = tuple(item for item in reading.ingredients if any(_same(item, sure) for sure in certain))
    extra = tuple(item for item in certain if not any(_same(item, name) for name in named))
    calcium = reading.calcium or tuple(Content(item.name) for item in certain if item.family == "calcium")
    vitamin_d = reading.vitamin_d or tuple(Content(item.name) for item in certain if item.family == "vitamin d")
    return Reading(
        ingredients=named + extra,
        brand=reading.brand,
        route=reading.route,
        doses=reading.doses,
        concentrations=reading.concentrations,
        brand_dose=reading.brand_dose,
        calcium=calcium,
        vitamin_d=vitamin_d,
        antacid=reading.antacid,
        notes=reading.notes,
    )


def read_text(text: str, lexicon: Lexicon, *, with_strengths: bool = True) -> Reading:
    name = parse_name(text, lexicon, with_strengths=with_strengths)
    calcium, calcium_notes = calcium_contents(name, lexicon)
    vitamin_d, vitamin_d_notes = vitamin_d_contents(name, lexicon)
    brands = [mention.brand for mention in name.mentions if mention.brand is not None]
    dropped = {brand.not_ingredient for brand in brands}
    ingredients = {item: None for mention in name.mentions for item in mention.ingredients if item.name not in dropped}
    amounts = [amount for mention in name.mentions if _has_doses(mention, lexicon) for amount in mention.strengths]
    amounts += [] if amounts else [amount for amount in name.strengths if amount.is_amount]
    return Reading(
        ingredients=specific(tuple(ingredients)),
        brand=brands[0].name if brands else "",
        route=name.route,
        doses=frozenset(_milligrams(amount) for amount in amounts if _is_dose(amount)),
        concentrations=frozenset(_concentration(a) for a in amounts if a.per == "mL" and a.unit in ("mg", "g")),
        brand_dose=next((brand.dose_mg for brand in brands if brand.dose_mg is not None), None),
        calcium=calcium,
        vitamin_d=vitamin_d,
        antacid=name.antacid or _is_chewable_antacid(name, calcium, vitamin_d, lexicon),
        homeopathic=name.homeopathic,
        notes=calcium_notes + vitamin_d_notes,
    )


def _has_doses(mention: Mention, lexicon: Lexicon) -> bool:
    return any(item.name in lexicon.doses for item in mention.ingredients)


def _is_dose(amount: Strength) -> bool:
    return amount.unit in ("mg", "g") and (amount.per == "unit" or amount.in_container is not None)


def _milligrams(amount: Strength) -> Decimal:
    value = amount.value if amount.in_container is None else amount.in_container
    return value * (1000 if amount.unit == "g" else 1)


def _concentration(amount: Strength) -> Decimal:
    return amount.value * (1000 if amount.unit == "g" else 1)


def _is_chewable_antacid(
    name: ParsedName, calcium: Sequence[Content], vitamin_d: Sequence[Content], lexicon: Lexicon
) -> bool:
    if not name.chewable or vitamin_d or len(calcium) != 1 or calcium[0].substance != "calcium carbonate":
        return False
    salt_mg = calcium[0].salt_mg
    return salt_mg is not None and salt_mg <= lexicon.limits["antacidMaxMg"]


def specific(ingredients: tuple[Ingredient, ...]) -> tuple[Ingredient, ...]:
    """Without "calcium" or "vitamin d" where a name also says which."""
    families = {item.family for item in ingredients if not item.unspecified}
    return tuple(item for item in ingredients if not (item.unspecified and item.family in families))


def _same(one: Ingredient, other: Ingredient) -> bool:
    return one.name == other.name or (one.family == other.family and (one.unspecified or other.unspecified))


def _fit(one: Reading, other: Reading) -> bool:
    """Whether two readings can be of one product: all that the shorter names, the longer names as well."""
    shorter, longer = sorted((one.substances, other.substances), key=len)
    return all(any(_same(item, candidate) for candidate in longer) for item in shorter)


def disagree(some: Sequence[Reading], others: Sequence[Reading]) -> bool:
    """Whether any two do not fit together; parts of what a third names in full ("calcium", "vitamin D") do."""
    every = {*some, *others}
    return any(
        not _fit(one, other) and not any(_covers(whole, one) and _covers(whole, other) for whole in every)
        for one in some
        for other in others
    )


def _covers(whole: Reading, part: Reading) -> bool:
    return len(whole.substances) >= len(part.substances) and _fit(part, whole)
