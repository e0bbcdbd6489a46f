"""Which drugs a name speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .attribution import Mention, assign, flag_elemental
from .drug_lexicon import Brand, Ingredient, Lexicon
from .drug_text import Strength, Token, strengths, tokens

_CALCIUM = "calcium"
_VITAMIN_D = "vitamin d"
_SUPPLEMENTS = frozenset({_CALCIUM, _VITAMIN_D, "multivitamin", "other"})
_JOINERS = frozenset({"/", "+", "&", "and", "with", "plus", "w"})
_LOCAL_ROUTES = ("outside", "ophthalmic", "otic", "nasal", "inhaled", "rectal", "vaginal", "local", "topical")


@dataclass(frozen=True, slots=True)
class ParsedName:
    """A name taken apart. ``route`` is as in Product, "topical" standing for every use that stays local."""

    mentions: tuple[Mention, ...]
    strengths: tuple[Strength, ...]
    route: str = ""
    chewable: bool = False
    antacid: bool = False
    homeopathic: bool = False
    injectable: bool = False


def parse_name(text: str, lexicon: Lexicon, *, with_strengths: bool = True) -> ParsedName:
    """The drugs, strengths and route in a drug's name; ``with_strengths=False`` for names whose numbers bill."""
    items = tokens(text)
    amounts = strengths(items) if with_strengths else []
    taken = {index for amount in amounts for index in range(amount.start, amount.end)}
    found = list(_mentions(items, amounts, taken, lexicon))
    known_words = {token.text for token in items if token.kind == "word"}
    amounts = flag_elemental(items, amounts, found)
    assign(items, amounts, found)
    routes = {lexicon.route_words[word] for word in known_words if word in lexicon.route_words}
    return ParsedName(
        mentions=tuple(mention for mention in found if mention.ingredients),
        strengths=tuple(amounts),
        route=_route(routes),
        chewable="chewable" in known_words or ("chew" in known_words and "soft" not in known_words),
        antacid=bool(known_words & lexicon.antacid) or any(m.brand and m.brand.antacid for m in found),
        homeopathic=bool(known_words & lexicon.homeopathic),
        injectable="iv" in routes,
    )


def route_of(text: str, lexicon: Lexicon) -> str:
    """The route some words speak of ("IV", "by mouth", "Intravenous route"), or ""."""
    if not text:
        return ""
    return _route({lexicon.route_words[t.text] for t in tokens(text) if t.text in lexicon.route_words})


def _route(routes: set[str]) -> str:
    if any(local in routes for local in _LOCAL_ROUTES):
        return "topical"
    for route in ("sc", "im", "iv", "oral"):
        if route in routes:
            return route
    return ""


def _mentions(
    items: Sequence[Token], amounts: Sequence[Strength], taken: set[int], lexicon: Lexicon
) -> Iterator[Mention]:
    index = 0
    seen_calcium = False
    while index < len(items):
        hit = None if index in taken and items[index].kind == "word" else _lookup(items, index, lexicon)
        if hit is None:
            unknown = _unknown_partner(items, index, taken, lexicon)
            if unknown is not None:
                yield unknown
            elif items[index].text == "d" and seen_calcium and _joined_before(items, index):
                yield Mention((lexicon.ingredients[_VITAMIN_D],), index, index + 1)
            index += 1
            continue
        meaning, end = hit
        mention = _mention(meaning, items, index, end, amounts, lexicon)
        if mention is not None:
            seen_calcium = seen_calcium or _CALCIUM in mention.families
            yield mention
        index = end


def _lookup(items: Sequence[Token], index: int, lexicon: Lexicon) -> tuple[Ingredient | Brand | None, int] | None:
    """The longest known phrase that begins here; hyphens inside it do not count."""
    if items[index].kind == "sign":
        return None
    key: list[str] = []
    best: tuple[Ingredient | Brand | None, int] | None = None
    for position in range(index, len(items)):
        token = items[position]
        if token.kind == "sign":
            if token.text in "-." and key:
                continue
            break
        key.append(token.text)
        if len(key) > lexicon.longest_phrase:
            break
        phrase = tuple(key)
        if phrase in lexicon.phrases:
            best = (lexicon.phrases[phrase], position + 1)
    return best


def _mention(
    meaning: Ingredient | Brand | None,
    items: Sequence[Token],
    start: int,
    end: int,
    amounts: Sequence[Strength],
    lexicon: Lexicon,
) -> Mention | None:
    if meaning is None:
        return None
    if isinstance(meaning, Brand):
        return Mention(tuple(lexicon.ingredients[name] for name in meaning.ingredients), start, end, meaning)
    if meaning.name == _CALCIUM and items[end - 1].text == _CALCIUM and not _is_calcium(items, start, end, lexicon):
        return Mention((), start, end)
    if meaning.name == _CALCIUM:
        return _with_anion(Mention((meaning,), start, end, elemental=True), items, lexicon)
    if meaning.is_salt and _follows_unknown_word(items, start, lexicon):
        return None
    return Mention((meaning,), start, end)


def _with_anion(calcium: Mention, items: Sequence[Token], lexicon: Lexicon) -> Mention:
    """ "calcium (as carbonate)", "calcium from calcium citrate", "calcium (carbonate)": which salt it comes as."""
    index = calcium.end
    bracketed = index < len(items) and items[index].text == "("
    index += bracketed
    said_as = index < len(items) and items[index].text in ("as", "from")
    index += said_as
    if not (bracketed or said_as):
        return calcium
    if index < len(items) and items[index].text == _CALCIUM:
        index += 1
    for length in (2, 1):
        anion = [token.text for token in items[index : index + length] if token.kind == "word"]
        meaning = lexicon.phrases.get((_CALCIUM, *anion))
        if len(anion) == length and isinstance(meaning, Ingredient):
            return Mention((meaning,), calcium.start, index + length, elemental=said_as)
    return calcium


def _is_calcium(items: Sequence[Token], start: int, end: int, lexicon: Lexicon) -> bool:
    """Whether the bare word calcium means calcium, not the salt of the drug named before it."""
    following = items[end] if end < len(items) else None
    if following is not None and following.kind == "word" and following.text.endswith(lexicon.anion_endings):
        return False
    if start == 0:
        return True
    before = items[start - 1]
    if before.text == "as":  # "rosuvastatin (as calcium)"
        return False
    if before.text == "(" and following is not None and following.text == ")" and start >= 2:
        return not _drug_word(items, start - 2, lexicon)
    if before.text == "," and start >= 2:
        return items[start - 2].text not in lexicon.calcium_salts_of
    if before.text == "-" and start >= 2 and items[start - 2].kind == "word":
        return not _drug_word(items, start - 2, lexicon)
    return not _drug_word(items, start - 1, lexicon) or _names_vitamin_d(items, end, lexicon, items[start - 1].text)


def _drug_word(items: Sequence[Token], index: int, lexicon: Lexicon) -> bool:
    """Whether a word before "calcium" is, for all we know, a drug of which calcium is the salt."""
    token = items[index]
    if token.kind != "word":
        return False
    if token.text in lexicon.calcium_salts_of:
        return True
    if token.text in lexicon.before_calcium or token.text in lexicon.route_words:
        return False
    known = [lexicon.phrases[key] for key in _endings(items, index, lexicon) if lexicon.phrases.get(key) is not None]
    return not any(isinstance(item, Brand) or (item and item.family in _SUPPLEMENTS) for item in known)


def _endings(items: Sequence[Token], index: int, lexicon: Lexicon) -> Iterator[tuple[str, ...]]:
    """The phrases that end with the token at ``index``."""
    key: list[str] = []
    for position in range(index, max(-1, index - 2 * lexicon.longest_phrase), -1):
        if items[position].kind == "sign":
            if items[position].text == "-":
                continue
            return
        key.insert(0, items[position].text)
        yield tuple(key)


def _names_vitamin_d(items: Sequence[Token], end: int, lexicon: Lexicon, before: str) -> bool:
    """ "Acme calcium + D3": vitamin D beside it makes the unknown word a maker's, not a drug's, name."""
    if before in lexicon.calcium_salts_of:
        return False
    return any(items[index].text in ("d", "d3") for index in range(end, len(items)))


def _follows_unknown_word(items: Sequence[Token], start: int, lexicon: Lexicon) -> bool:
    return start > 0 and items[start - 1].kind == "word" and _drug_word(items, start - 1, lexicon)


def _unknown_partner(items: Sequence[Token], index: int, taken: set[int], lexicon: Lexicon) -> Mention | None:
    """A word we do not know after "/" or "with": another substance, whose strength is not its neighbour's."""
    token = items[index]
    if index == 0 or token.kind != "word" or index in taken or len(token.text) < 3:
        return None
    if items[index - 1].text not in _JOINERS or token.text in lexicon.route_words or token.text in _JOINERS:
        return None
    return Mention((), index, index + 1)


def _joined_before(items: Sequence[Token], index: int) -> bool:
    previous = items[index - 1].text
    return previous in _JOINERS or (previous in "-" and index >= 2)
