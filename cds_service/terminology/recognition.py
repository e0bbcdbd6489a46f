"""Recognises a medication from all its codings and texts, the more dangerous reading winning where they disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from .codes import HCPCS, NDC, RXNORM, Coding, ndc_candidates
from .contents import merged_contents
from .drug_lexicon import Ingredient, Lexicon
from .drug_names import route_of
from .products import Content, Product
from .readings import KnownCode, Reading, disagree, read_code, read_text, specific
from .rxnorm import RxNormIndex
from .value_sets import ValueSet

IV_BISPHOSPHONATE = "iv-bisphosphonate"
ORAL_BISPHOSPHONATE = "oral-bisphosphonate"
_MOST_NAMES = 50  # one drug has a dozen codes at most; who sends more wants us to be busy


@dataclass(frozen=True, slots=True)
class Hints:
    """What the order says beside the drug's name: words for route and form, and the dose in mg."""

    route: str = ""
    form: str = ""
    dose_mg: Decimal | None = None


def known_codes(value_sets: Mapping[str, ValueSet], lexicon: Lexicon) -> Mapping[str, Mapping[str, KnownCode]]:
    """system -> code -> what it is, for every code of a value set that belongs to an ingredient."""
    found: dict[str, dict[str, KnownCode]] = {}
    for set_id, ingredient in lexicon.value_sets.items():
        members = value_sets.get(set_id)
        if members is None:
            continue
        for system, listed in members.concepts.items():
            codes = found.setdefault(system, {})
            for code, display in listed.items():
                earlier = codes.get(code)
                codes[code] = KnownCode(display, ((*earlier.ingredients, ingredient) if earlier else (ingredient,)))
    return found


def recognise(
    codings: Sequence[Coding],
    texts: Sequence[str],
    hints: Hints,
    *,
    known: Mapping[str, Mapping[str, KnownCode]],
    lexicon: Lexicon,
    rxnorm: RxNormIndex | None = None,
) -> Product:
    """The product that canonical codings and texts name together.

    Codes come first, then an imported RxNorm index for codes the value sets do not hold, then displays and texts.
    A code nobody knows says nothing. Readings that do not fit together are all kept and noted: "codings-disagree",
    "code-contradicts-text".
    """
    if len(codings) + len(texts) > _MOST_NAMES:
        return Product(_label(codings, texts, (), ()), identified=False)
    lookups = [(coding, _known(coding, known)) for coding in codings]
    code_readings = [read_code(coding, entry, lexicon) for coding, entry in lookups if entry is not None]
    others = [coding for coding, entry in lookups if entry is None]
    indexed = [name for coding in others for name in _indexed_names(coding, rxnorm)]
    index_readings = [read_text(name, lexicon) for name in indexed]
    spoken = [(text, True) for text in texts] + [(c.display, c.system != HCPCS) for c in codings]
    text_readings = [
        read_text(text, lexicon, with_strengths=with_strengths)
        for text, with_strengths in dict.fromkeys(spoken)
        if text
    ]
    notes: list[str] = []
    coded = [*code_readings, *(reading for reading in index_readings if reading.substances)]
    named = [reading for reading in text_readings if reading.substances]
    if disagree(coded, coded):
        notes.append("codings-disagree")
    foreign = any(not reading.ingredients for reading in index_readings) and not coded
    if disagree(coded, named) or (foreign and named):
        notes.append("code-contradicts-text")
    elif disagree(named, named):
        notes.append("texts-disagree")
    label = _label(codings, texts, lookups, indexed)
    identified = bool(code_readings or indexed) or any(_has_letters(text) for text, _ in spoken)
    readings = [*coded, *text_readings]
    return _product(label, readings, hints, lexicon, notes, identified=identified)


def _known(coding: Coding, known: Mapping[str, Mapping[str, KnownCode]]) -> KnownCode | None:
    listed = known.get(coding.system)
    if listed is None:
        return None
    if coding.system != NDC:
        return listed.get(coding.code)
    hits = [listed[code] for code in ndc_candidates(coding.code) if code in listed]
    return hits[0] if len(hits) == 1 else None


def _indexed_names(coding: Coding, rxnorm: RxNormIndex | None) -> Iterable[str]:
    if rxnorm is None:
        return
    rxcui: str | None = coding.code if coding.system == RXNORM else None
    if coding.system == NDC:
        hits = {hit for code in ndc_candidates(coding.code) if (hit := rxnorm.by_ndc(code)) is not None}
        rxcui = hits.pop() if len(hits) == 1 else None
    if rxcui is None:
        return
    name = rxnorm.name(rxcui)
    if name is not None:
        yield " / ".join(rxnorm.ingredients(rxcui)) or name


def _label(
    codings: Sequence[Coding],
    texts: Sequence[str],
    lookups: Sequence[tuple[Coding, KnownCode | None]],
    indexed: Sequence[str],
) -> str:
    candidates = [*texts, *(c.display for c in codings), *(e.display for _, e in lookups if e is not None), *indexed]
    candidates += [coding.code for coding in codings]
    return next((candidate for candidate in candidates if candidate.strip()), "")


def _has_letters(text: str) -> bool:
    return any(character.isalpha() for character in text)


def _product(
    label: str,
    readings: Sequence[Reading],
    hints: Hints,
    lexicon: Lexicon,
    notes: list[str],
    *,
    identified: bool,
) -> Product:
    ingredients = specific(tuple(dict.fromkeys(item for reading in readings for item in reading.ingredients)))
    calcium: tuple[Content, ...] = ()
    vitamin_d: tuple[Content, ...] = ()
    for reading in readings:
        notes.extend(reading.notes)
        calcium = merged_contents(calcium, reading.calcium, lexicon, notes)
        vitamin_d = merged_contents(vitamin_d, reading.vitamin_d, lexicon, notes)
    if any(item.family == "multivitamin" for item in ingredients):
        calcium = tuple(content for content in calcium if content.low is not None)
        vitamin_d = tuple(content for content in vitamin_d if content.low is not None)
        kept = {content.substance for content in (*calcium, *vitamin_d)}
        ingredients = tuple(i for i in ingredients if i.family not in ("calcium", "vitamin d") or i.name in kept)
    route = _route(readings, ingredients, hints, lexicon)
    local = route == "topical" or any(reading.homeopathic for reading in readings)
    if local:
        calcium = vitamin_d = ()
    dose = _dose(readings, ingredients, hints, lexicon, notes)
    classes: set[str] = set()
    for item in ingredients:
        if not local or "calcitonin" in item.classes:
            classes |= item.classes
    if not local:
        classes |= _dose_classes(ingredients, dose, lexicon)
        classes |= _calcium_classes(ingredients, readings, route)
        classes |= _ibandronate_class(readings, ingredients, route, hints, lexicon, notes)
    if IV_BISPHOSPHONATE in classes:
        classes.discard(ORAL_BISPHOSPHONATE)
    if IV_BISPHOSPHONATE in classes and any(item.route == "iv" for item in ingredients):
        route = "iv"  # whatever a contradicting reading says
    elif IV_BISPHOSPHONATE in classes and route == "" and "route-not-stated" not in notes:
        route = "iv"
    return Product(
        label=label,
        ingredients=tuple(item.name for item in ingredients),
        classes=frozenset(classes),
        brand=next((reading.brand for reading in readings if reading.brand), ""),
        route=route,
        dose_mg=dose,
        calcium=calcium,
        vitamin_d=vitamin_d,
        identified=identified,
        notes=tuple(dict.fromkeys(notes)),
    )


def _route(readings: Sequence[Reading], ingredients: Sequence[Ingredient], hints: Hints, lexicon: Lexicon) -> str:
    """What the names say, else what the order says, else the only route the substance has."""
    named = [reading.route for reading in readings if reading.route]
    said = [route for route in (route_of(hints.route, lexicon), route_of(hints.form, lexicon)) if route]
    if "topical" in (*named, *said):
        return "topical"
    usual = {item.route for item in ingredients if item.family not in ("other", "multivitamin")}
    return next(iter((*named, *said)), usual.pop() if len(usual) == 1 else "")


def _ibandronate_class(
    readings: Sequence[Reading],
    ingredients: Sequence[Ingredient],
    route: str,
    hints: Hints,
    lexicon: Lexicon,
    notes: list[str],
) -> set[str]:
    """Tablets or injection, as route, form or dose tell; where nothing tells, the infusion is assumed and noted."""
    if all(item.name != "ibandronate" for item in ingredients):
        return set()
    said = {route_of(hints.route, lexicon), route_of(hints.form, lexicon), route}
    if said & {"iv", "im", "sc"}:
        return {IV_BISPHOSPHONATE}
    if "oral" in said:
        return {ORAL_BISPHOSPHONATE}
    doses = {dose for reading in readings for dose in reading.doses}
    if hints.dose_mg is not None:
        doses.add(hints.dose_mg)
    if doses & lexicon.iv_mg or any(reading.concentrations for reading in readings):
        return {IV_BISPHOSPHONATE}
    if doses & lexicon.oral_mg:
        return {ORAL_BISPHOSPHONATE}
    notes.append("route-not-stated")
    return {IV_BISPHOSPHONATE}


def _calcium_classes(ingredients: Sequence[Ingredient], readings: Sequence[Reading], route: str) -> set[str]:
    if all(item.family != "calcium" for item in ingredients):
        return set()
    found: set[str] = set()
    if any(reading.antacid for reading in readings):
        found.add("calcium-antacid")
    names = {item.name for item in ingredients}
    if route in ("iv", "im") or (route == "" and names & {"calcium chloride", "calcium gluconate"}):
        found.add("calcium-parenteral")
    return found


def _dose_classes(ingredients: Sequence[Ingredient], dose: Decimal | None, lexicon: Lexicon) -> set[str]:
    tables = [lexicon.doses[item.name] for item in ingredients if item.name in lexicon.doses]
    if dose is None:
        return set()
    return {table.class_of_mg[dose] for table in tables if dose in table.class_of_mg}


def _dose(
    readings: Sequence[Reading],
    ingredients: Sequence[Ingredient],
    hints: Hints,
    lexicon: Lexicon,
    notes: list[str],
) -> Decimal | None:
    """The strength of a single-dose injectable: from its brand or concentration, the dose named, the dose ordered."""
    tables = [lexicon.doses[item.name] for item in ingredients if item.name in lexicon.doses]
    if len(tables) != 1:
        return None
    table = tables[0]
    branded = {reading.brand_dose for reading in readings if reading.brand_dose is not None}
    branded |= {
        table.mg_of_concentration[concentration]
        for reading in readings
        for concentration in reading.concentrations
        if concentration in table.mg_of_concentration
    }
    if len(branded) > 1:
        notes.append("strength-differs")
        return None
    named = {dose for reading in readings for dose in reading.doses}
    if table.class_of_mg:
        named &= table.class_of_mg.keys()
    if branded:
        return branded.pop()
    if len(named) == 1:
        return named.pop()
    if not named and hints.dose_mg is not None:
        return hints.dose_mg
    return None
