"""Which drugs a name speaks of, and which of its strengths belongs to which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .drug_lexicon import Brand, Ingredient, Lexicon
from .drug_text import Strength, Token, strengths, tokens

_CALCIUM = "calcium"
_VITAMIN_D = "vitamin d"
_SUPPLEMENTS = frozenset({_CALCIUM, _VITAMIN_D, "multivitamin", "other"})
_JOINERS = frozenset({"/", "+", "&", "and", "with", "plus", "w"})
_LOCAL_ROUTES = ("outside", "ophthalmic", "otic", "nasal", "inhaled", "rectal", "vaginal", "local", "topical")


@dataclass(slots=True)
class Mention:
    """One drug named in a text, at tokens ``start`` to ``end``, with the strengths that belong to it."""

    ingredients: tuple[Ingredient, ...]
    start: int
    end: int
    brand: Brand | None = None
    elemental: bool = False  # "calcium (as carbonate)": its strength is the calcium's, not the salt's
    strengths: list[Strength] = field(default_factory=list)

    @property
    def families(self) -> frozenset[str]:
        return frozenset(item.family for item in self.ingredients)


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
    amounts = _flag_elemental(items, amounts, found)
    _assign(items, amounts, found)
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


def _flag_elemental(items: Sequence[Token], amounts: Sequence[Strength], found: list[Mention]) -> list[Strength]:
    """Marks the strengths said to be elemental, and drops "calcium" where it only says so."""
    marked: list[Strength] = []
    ends = frozenset(amount.end for amount in amounts)
    for amount in amounts:
        after = amount.end
        while after < len(items) and items[after].text == "of":
            after += 1
        calcium = next((m for m in found if m.start == after and m.elemental and m.brand is None), None)
        earlier = any(_CALCIUM in m.families and m.start < amount.start for m in found)
        if calcium is not None and earlier:
            found.remove(calcium)
            marked.append(replace(amount, elemental=True))
        elif _says_elemental(items, amount, after, ends):
            marked.append(replace(amount, elemental=True))
        else:
            marked.append(amount)
    return marked


def _says_elemental(items: Sequence[Token], amount: Strength, after: int, ends: frozenset[int]) -> bool:
    words_after = [token.text for token in items[after : after + 3]]
    if words_after[:1] in (["elemental"], ["ca"]) or words_after == ["(", "elemental", ")"]:
        return True
    before = amount.start - 1
    while before >= 0 and items[before].text in (":", "=", ")", _CALCIUM, "of", "chewable"):
        before -= 1
    return before >= 0 and items[before].text == "elemental" and before not in ends


def _assign(items: Sequence[Token], amounts: Sequence[Strength], found: Sequence[Mention]) -> None:
    """Gives every strength to the drug it belongs to."""
    if not found:
        return
    useful = [amount for amount in amounts if amount.unit not in ("ml", "l")]
    leading = [amount for amount in useful if amount.end <= found[0].start and amount.is_amount]
    prefixed = bool(leading) and _adjacent(items, leading[-1].end, found[0].start)
    waiting: list[Mention] = []
    for number, mention in enumerate(found):
        last = number + 1 == len(found)
        limit = len(items) + 1 if last else found[number + 1].start
        run = [amount for amount in useful if mention.end <= amount.start < limit]
        if prefixed:
            mention.strengths.extend(leading)
            mention.strengths.extend(amount for amount in run if last or _stays_behind(amount))
            leading = [amount for amount in run if not _stays_behind(amount)]
            continue
        run = _handed_out(run, mention, found[:number], items[mention.start].depth)
        waiting.append(mention)
        if run:
            _share(run, waiting)
            waiting = []
    if not prefixed and leading and not any(mention.strengths for mention in found):
        _share(leading, found)


def _handed_out(
    run: Sequence[Strength], mention: Mention, earlier: Sequence[Mention], depth: int
) -> list[Strength]:
    """What is left for a name in brackets once the strengths after the bracket went to the name before it."""
    if not earlier or mention.brand is not None or mention.families != earlier[-1].families:
        return list(run)
    earlier[-1].strengths.extend(amount for amount in run if amount.depth < depth)
    return [amount for amount in run if amount.depth >= depth]


def _stays_behind(amount: Strength) -> bool:
    return amount.depth > 0 or amount.elemental


def _adjacent(items: Sequence[Token], start: int, end: int) -> bool:
    return all(items[index].text in ("of", "elemental", "(", "chewable", "oral") for index in range(start, end))


def _share(run: Sequence[Strength], waiting: Sequence[Mention]) -> None:
    """Gives a run of strengths to the names waiting for one: by unit where it tells, else in order."""
    groups: list[list[Mention]] = []
    for mention in waiting:
        if groups and mention.families and groups[-1][0].families == mention.families:
            groups[-1].append(mention)
        else:
            groups.append([mention])
    amounts = sum(1 for amount in run if amount.depth <= run[0].depth)
    current = max(0, len(groups) - amounts) - 1  # too few strengths: they are those of the last names
    for position, amount in enumerate(run):
        repeats = position > 0 and amount.depth > run[0].depth and amount.unit != "iu"
        if not repeats:  # a bracketed strength says the one before it again
            current = _next_group(groups, current, amount)
        groups[current][-1].strengths.append(amount)


def _next_group(groups: Sequence[Sequence[Mention]], current: int, amount: Strength) -> int:
    vitamin_d = next((n for n, group in enumerate(groups) if _VITAMIN_D in group[0].families), None)
    if amount.unit in ("iu", "mcg") and vitamin_d is not None:
        return vitamin_d
    following = min(current + 1, len(groups) - 1)
    if following == vitamin_d and following > 0 and amount.unit in ("mg", "g") and groups[following][0].brand is None:
        return following - 1
    return following
