"""JSON Schemas, compiled once: whether a document is sound, and if not where, and what was expected there.

jsonschema-rs decides in microseconds that a document is sound. Where it does not, jsonschema has the last word, because
only of its errors can be said what was expected and where.
"""

from __future__ import annotations

import functools
import json
import numbers
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema_rs

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_SUFFIX = ".json"


class Invalid(Exception):
    """A document is not what its schema says.

    ``path`` is where ("context.draftOrders.entry[0]", "" for the document itself), ``expected`` says what should be
    there, ``got_type`` what kind of value is ("a text", "nothing"). Values are never repeated: they may be a patient's.
    """

    def __init__(self, path: str, expected: str, got_type: str) -> None:
        super().__init__(path, expected, got_type)
        self.path = path
        self.expected = expected
        self.got_type = got_type

    def __str__(self) -> str:
        return f"{self.path or 'the document'}: expected {self.expected}, got {self.got_type}"


def check(document: object, name: str, at: str = "") -> None:
    """Raises Invalid for the first problem of ``document`` under schema ``name``.

    ``at`` is the path of the document where it is part of a larger one.
    """
    if not _is_sound(document, name) and (first := next(_told(document, name, at), None)) is not None:
        raise first


def problems(document: object, name: str) -> list[Invalid]:
    """Every problem of ``document`` under schema ``name``, in the order of the document's paths."""
    return [] if _is_sound(document, name) else sorted(_told(document, name), key=lambda problem: problem.path)


@functools.cache
def names() -> frozenset[str]:
    """The schemas there are."""
    files = resources.files(__package__).iterdir()
    return frozenset(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX))


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """The schema as jsonschema reads it; KeyError when there is none of that name."""
    from jsonschema import Draft202012Validator  # a tenth of a second, for documents that are not sound

    return Draft202012Validator(_schema(name))


def kind(value: object) -> str:
    """What kind of JSON value something is, in words and without the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text" if value.strip() else "an empty text"
        case numbers.Number():
            return "a number"
        case Mapping():
            return "an object" if value else "an empty object"
        case Sequence():
            return "a list" if value else "an empty list"
    return "something that is not JSON"


class _Pattern:
    """``pattern`` by Python's own expressions, as jsonschema has it: others take other characters for white space."""

    def __init__(self, _schema: object, value: str, _path: object) -> None:
        self._search = re.compile(value).search

    def validate(self, instance: object) -> None:
        """Raises ValueError for a text that does not match."""
        if isinstance(instance, str) and self._search(instance) is None:
            raise ValueError


def _schema(name: str) -> dict[str, Any]:
    if name not in names():
        raise KeyError(f"there is no schema {name!r}; there are {', '.join(sorted(names()))}")
    schema: dict[str, Any] = json.loads(
        resources.files(__package__).joinpath(name + _SUFFIX).read_text(encoding="utf-8")
    )
    return schema


@functools.cache
def _quick(name: str) -> jsonschema_rs.Draft202012Validator | None:
    """The compiled schema; None for one that asks for whole numbers, as to jsonschema a Decimal is never one."""
    schema = _schema(name)
    compiled = jsonschema_rs.Draft202012Validator(schema, keywords={"pattern": _Pattern})  # checks the schema, too
    return None if '"integer"' in json.dumps(schema) else compiled


def _is_sound(document: object, name: str) -> bool:
    """Whether it certainly is; half a surrogate pair and whatever is no JSON are left to jsonschema."""
    quick = _quick(name)
    try:
        return quick is not None and quick.is_valid(document)
    except ValueError:
        return False


def _told(document: object, name: str, at: str = "") -> Iterator[Invalid]:
    from .explaining import told

    for error in validator(name).iter_errors(document):
        yield Invalid(*told(error, at))
