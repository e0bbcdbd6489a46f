"""How much calcium and vitamin D one unit of a named product holds, always as a range."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from .attribution import Mention
from .drug_lexicon import Ingredient, Lexicon, Salt
from .drug_names import ParsedName
from .drug_text import Strength
from .products import Content

_SAME = Decimal("0.03")  # labels round: 633 mg computed and 630 mg stated are one strength
_NARROWNESS = ("table", "stated", "brand", "salt", "ambiguous", "")
_MILLIGRAMS = {"mg": Decimal(1), "g": Decimal(1000), "mcg": Decimal("0.001")}


def calcium_contents(name: ParsedName, lexicon: Lexicon) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The calcium of a parsed name, one Content for each salt, and notes."""
    found: dict[str, Content] = {}
    notes: list[str] = []
    for mention in name.mentions:
        for item in mention.ingredients:
            if item.family == "calcium":
                content = _calcium_content(mention, item, name, lexicon)
                found[item.name] = _met(found.get(item.name), content, notes)
    return _without_unspecified(found, lexicon, notes), tuple(notes)


def vitamin_d_contents(name: ParsedName, lexicon: Lexicon) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    """The nutritional vitamin D of a parsed name, one Content for D2 and one for D3, and notes."""
    found: dict[str, Content] = {}
    notes: list[str] = []
    for mention in name.mentions:
        for item in mention.ingredients:
            if item.family == "vitamin d":
                content = _vitamin_d_content(mention, item, lexicon, notes)
                found[item.name] = _met(found.get(item.name), content, notes)
    return _without_unspecified(found, lexicon, notes), tuple(notes)


def combined(first: Content, second: Content, notes: list[str]) -> Content:
    """One content from two readings of the same substance.

    Overlapping ranges leave what both allow; ranges apart are both covered, and "strength-differs" is noted.
    """
    if second.low is None or second.high is None:
        return first
    if first.low is None or first.high is None or first.per != second.per:
        return second if first.low is None else first
    low, high = max(first.low, second.low), min(first.high, second.high)
    better, other = sorted((first, second), key=lambda content: _NARROWNESS.index(content.basis))
    if low <= high or low - high <= low * _SAME:
        kept = better if low > high else None
        return _content(
            better, other, kept.low if kept else low, kept.high if kept else high,
            better.basis if kept or low == high else "ambiguous",
        )  # fmt: skip
    notes.append("strength-differs")
    return _content(better, other, min(first.low, second.low), max(first.high, second.high), "ambiguous")


def _content(better: Content, other: Content, low: Decimal | None, high: Decimal | None, basis: str) -> Content:
    return Content(
        substance=better.substance,
        per=better.per,
        low=low,
        high=high,
        salt_mg=better.salt_mg if better.salt_mg is not None else other.salt_mg,
        fraction=better.fraction if better.fraction is not None else other.fraction,
        basis=basis,
    )


def merged_contents(
    first: Sequence[Content], second: Sequence[Content], lexicon: Lexicon, notes: list[str]
) -> tuple[Content, ...]:
    """The contents of two readings of one product, substance by substance."""
    found = {content.substance: content for content in first}
    for content in second:
        found[content.substance] = _met(found.get(content.substance), content, notes)
    return _without_unspecified(found, lexicon, notes)


def _met(before: Content | None, content: Content, notes: list[str]) -> Content:
    return content if before is None else combined(before, content, notes)


def _without_unspecified(found: dict[str, Content], lexicon: Lexicon, notes: list[str]) -> tuple[Content, ...]:
    """ "calcium 600 mg (as calcium carbonate)" holds one calcium: the unspecified name joins the only specific one."""
    unspecified = [name for name in found if lexicon.ingredients[name].unspecified]
    specific = [name for name in found if name not in unspecified]
    if unspecified and len(specific) == 1:
        name = specific[0]
        for other in unspecified:
            joined = combined(found[name], found.pop(other), notes)
            found[name] = Content(
                name, joined.per, joined.low, joined.high, joined.salt_mg, joined.fraction, joined.basis
            )
    return tuple(found.values())


def _calcium_content(mention: Mention, item: Ingredient, name: ParsedName, lexicon: Lexicon) -> Content:
    salt = lexicon.salts.get(item.name, Salt())
    amounts = _usable(mention.strengths)
    stated = [amount for amount in amounts if amount.elemental or (mention.elemental and amount.is_amount)]
    per = "mL" if any(amount.per == "mL" for amount in amounts) else "unit"
    amounts = [amount for amount in amounts if amount.per == per]
    stated = [amount for amount in stated if amount.per == per]
    equivalents = [amount for amount in amounts if amount.unit in lexicon.calcium_mg_per]
    weighed = [amount for amount in amounts if amount.unit in _MILLIGRAMS and amount not in stated]
    bare = [amount.value for amount in amounts if amount.unit == ""]
    salt_mg = _mass(weighed[0], lexicon) if weighed else None
    if stated:
        milligrams = _mass(stated[0], lexicon)
        return Content(item.name, per, milligrams, milligrams, salt_mg, salt.fraction, "stated")
    if equivalents and not weighed:
        milligrams = equivalents[0].value * lexicon.calcium_mg_per[equivalents[0].unit]
        return Content(item.name, per, milligrams, milligrams, None, salt.fraction, "stated")
    if mention.brand is not None and mention.brand.number_is_elemental:
        return _brand_content(item, salt, bare, weighed, lexicon)
    if not weighed:
        plausible = [number for number in bare if number >= 100]
        if not plausible:
            return Content(item.name, per, fraction=salt.fraction)
        if item.name == "calcium":
            return Content(item.name, per, plausible[0], plausible[0], None, salt.fraction, "stated")
        return _from_salt(item.name, per, plausible[0], salt, name, mention, lexicon)
    return _from_weights(item.name, per, [_mass(amount, lexicon) for amount in weighed], salt, name, mention, lexicon)


def _brand_content(
    item: Ingredient, salt: Salt, bare: Sequence[Decimal], weighed: Sequence[Strength], lexicon: Lexicon
) -> Content:
    """The number in such a brand's name is calcium; a weight that is more than the brand's number is the salt's."""
    numbers = [number for number in bare if number >= 100] or [_mass(amount, lexicon) for amount in weighed]
    if not numbers:
        return Content(item.name, fraction=salt.fraction)
    weights = [_mass(amount, lexicon) for amount in weighed]
    salt_mg = max(weights) if weights and max(weights) > min(numbers) else None
    return Content(item.name, "unit", min(numbers), min(numbers), salt_mg, salt.fraction, "brand")


def _from_weights(
    substance: str,
    per: str,
    weights: Sequence[Decimal],
    salt: Salt,
    name: ParsedName,
    mention: Mention,
    lexicon: Lexicon,
) -> Content:
    """One or two weights without a word which is which: "600 mg (1,500 mg)" is the calcium and its salt."""
    smallest, largest = min(weights), max(weights)
    if smallest != largest and salt.fraction is not None:
        computed = salt.products.get(largest, largest * salt.fraction)
        if abs(computed - smallest) <= computed * _SAME:
            return Content(substance, per, smallest, smallest, largest, salt.fraction, "stated")
    return _from_salt(substance, per, weights[0], salt, name, mention, lexicon)


def _from_salt(
    substance: str, per: str, salt_mg: Decimal, salt: Salt, name: ParsedName, mention: Mention, lexicon: Lexicon
) -> Content:
    if salt.fraction_low is None or salt.fraction_high is None:
        return Content(substance, per, salt_mg=salt_mg)
    certain = name.antacid or (mention.brand is not None and mention.brand.antacid)
    certain = certain or (name.chewable and substance == "calcium carbonate") or per == "mL"
    if salt_mg in salt.ambiguous_mg and not certain:
        return Content(substance, per, salt_mg * salt.fraction_low, salt_mg, salt_mg, salt.fraction, "ambiguous")
    if per == "unit" and salt_mg in salt.products:
        milligrams = salt.products[salt_mg]
        return Content(substance, per, milligrams, milligrams, salt_mg, salt.fraction, "table")
    basis = "salt" if salt.fraction is not None else "ambiguous"
    low, high = salt_mg * salt.fraction_low, salt_mg * salt.fraction_high
    return Content(substance, per, low, high, salt_mg, salt.fraction, basis)


def _usable(amounts: Iterable[Strength]) -> list[Strength]:
    return [amount for amount in amounts if amount.per != "other" and amount.value > 0]


def _mass(amount: Strength, lexicon: Lexicon) -> Decimal:
    """Milligrams; 1.250 and 1,250 are read the way that makes a plausible tablet."""
    factor = _MILLIGRAMS.get(amount.unit) or lexicon.calcium_mg_per.get(amount.unit, Decimal(1))
    low, high = lexicon.limits["calciumMinMgPerUnit"], lexicon.limits["calciumMaxMgPerUnit"]
    value = amount.value * factor
    if amount.other_value is not None and not low <= value <= high:
        other = amount.other_value * factor
        return other if low <= other <= high else value
    return value


def _vitamin_d_content(mention: Mention, item: Ingredient, lexicon: Lexicon, notes: list[str]) -> Content:
    amounts = _usable(mention.strengths)
    per = "mL" if any(amount.per == "mL" for amount in amounts) else "unit"
    # A brand's weights may be its calcium's; only units that calcium never has are surely its vitamin D's.
    units = ("iu", "mcg") if mention.brand is not None else ("iu", "mcg", "mg", "g")
    measured = [amount for amount in amounts if amount.unit in units and amount.per == per]
    readings = [reading for reading in (_units_of(amount, lexicon) for amount in measured) if reading is not None]
    if measured and not readings:
        notes.append("strength-implausible")
    if not measured and mention.brand is None:
        low, high = lexicon.limits["bareNumberMinIu"], lexicon.limits["vitaminDMaxIuPerUnit"]
        readings = [(amount.value, amount.value) for amount in amounts[:1] if low <= amount.value <= high]
    content = Content(item.name, per)
    for low, high in readings:
        basis = "stated" if low == high else "ambiguous"
        content = combined(content, Content(item.name, per, low, high, basis=basis), notes)
    return content


def _units_of(amount: Strength, lexicon: Lexicon) -> tuple[Decimal, Decimal] | None:
    """International units, as the range of the plausible readings; None if none is."""
    factor = Decimal(1) if amount.unit == "iu" else lexicon.vitamin_d_iu_per.get(amount.unit)
    if factor is None:
        return None
    # Nothing holds less than 100 IU and is written with three decimals: "50.000 IU" is fifty thousand.
    smallest = lexicon.limits["bareNumberMinIu"] if amount.other_value is not None else Decimal(0)
    values = [amount.value] if amount.other_value is None else [amount.value, amount.other_value]
    plausible = [v * factor for v in values if smallest <= v * factor <= lexicon.limits["vitaminDMaxIuPerUnit"]]
    if not plausible:
        return None
    if amount.other_value is not None and amount.value > amount.other_value:
        return plausible[0], plausible[0]  # the American thousands separator, unless it makes no sense
    return min(plausible), max(plausible)
