"""Which of the strengths in a drug's name belongs to which of the drugs named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .drug_lexicon import Brand, Ingredient
from .drug_text import Strength, Token

_CALCIUM = "calcium"
_VITAMIN_D = "vitamin d"


@dataclass(slots=True)
class Mention:
    """One drug named in a text, at tokens ``start`` to ``end``, with the strengths that belong to it."""

    ingredients: tuple[Ingredient, ...]
    start: int
    end: int
    brand: Brand | None = None
    elemental: bool = False  # "calcium (as carbonate)": its strength is the calcium's, not the salt's
    strengths: list[Strength] = field(default_factory=list)
    families: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.families = frozenset(item.family for item in self.ingredients)


def flag_elemental(items: Sequence[Token], amounts: Sequence[Strength], found: list[Mention]) -> list[Strength]:
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


def assign(items: Sequence[Token], amounts: Sequence[Strength], found: Sequence[Mention]) -> None:
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


def _handed_out(run: Sequence[Strength], mention: Mention, earlier: Sequence[Mention], depth: int) -> list[Strength]:
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
