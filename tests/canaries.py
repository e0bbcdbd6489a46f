"""Marked texts, one for each place of a document: whatever comes out somewhere says where it went in."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

CANARY = "cAnArY"

Step = str | int


def leaves(document: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The place of every text in a JSON document."""
    if isinstance(document, str):
        yield at
    elif isinstance(document, dict):
        for name, value in document.items():
            yield from leaves(value, (*at, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from leaves(value, (*at, index))


def objects(document: Any, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The place of every object in a JSON document."""
    if isinstance(document, dict):
        yield at
        for name, value in document.items():
            yield from objects(value, (*at, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from objects(value, (*at, index))


def marked(document: Any, place: tuple[Step, ...], how: str = "{canary}") -> Any:
    """A copy in which the text at a place is a canary; ``how`` may keep the text: "{text}{canary}"."""
    changed = copy.deepcopy(document)
    holder = changed
    for step in place[:-1]:
        holder = holder[step]
    name = "-".join(map(str, place))
    holder[place[-1]] = how.format(canary=f"{CANARY}-{name}", text=holder[place[-1]])
    return changed


def named(document: Any, place: tuple[Step, ...]) -> Any:
    """A copy in which the object at a place has members whose names are canaries."""
    changed = copy.deepcopy(document)
    holder = changed
    for step in place:
        holder = holder[step]
    name = f"{CANARY}-name-{'-'.join(map(str, place))}"
    holder.update({name: {"valueString": f"{name}-value"}, f"_{name}": 1, f"{name} </script>": [name]})
    return changed


def renamed(document: Any, place: tuple[Step, ...]) -> Iterator[Any]:
    """Copies in which one member each of the object at a place has a canary for a name."""
    holder = document
    for step in place:
        holder = holder[step]
    for member in list(holder):
        changed = copy.deepcopy(document)
        inner = changed
        for step in place:
            inner = inner[step]
        inner[f"{CANARY}-{member}"] = inner.pop(member)
        yield changed
