"""JSON Schemas, compiled once: whether a document is sound, and if not where, and what was expected there."""

from __future__ import annotations

import functools
import json
import numbers
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.exceptions import best_match

_SUFFIX = ".json"
_NOUNS = MappingProxyType(
    {
        "array": "a list",
        "boolean": "true or false",
        "integer": "a whole number",
        "null": "null",
        "number": "a number",
        "object": "an object",
        "string": "a text",
    }
)
# How many characters or items a limit speaks of; {} is the limit.
_LIMITS = MappingProxyType(
    {
        "minLength": "at least {} characters",
        "maxLength": "at most {} characters",
        "minItems": "at least {} items",
        "maxItems": "at most {} items",
        "minProperties": "at least {} members",
        "maxProperties": "at most {} members",
        "minimum": "at least {}",
        "maximum": "at most {}",
        "exclusiveMinimum": "more than {}",
        "exclusiveMaximum": "less than {}",
        "uniqueItems": "no item twice",
        "maxContains": "at most {} item of this kind",
    }
)


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
    if (error := next(validator(name).iter_errors(document), None)) is not None:
        raise _invalid(error, at)


def problems(document: object, name: str) -> list[Invalid]:
    """Every problem of ``document`` under schema ``name``, in the order of the document's paths."""
    return sorted((_invalid(error, "") for error in validator(name).iter_errors(document)), key=lambda p: p.path)


@functools.cache
def names() -> frozenset[str]:
    """The schemas there are."""
    files = resources.files(__package__).iterdir()
    return frozenset(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX))


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """The compiled schema; KeyError when there is none of that name."""
    if name not in names():
        raise KeyError(f"there is no schema {name!r}; there are {', '.join(sorted(names()))}")
    schema = json.loads(resources.files(__package__).joinpath(name + _SUFFIX).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


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


def _invalid(error: ValidationError, at: str) -> Invalid:
    # Of several alternatives, the one the document comes closest to is the one to speak of.
    error = best_match(iter((error,))) or error
    path: list[str | int] = list(error.absolute_path)
    if error.validator == "required":
        missing = _missing(error)
        return Invalid(_path(at, [*path, missing]), _expected_member(error, missing), "nothing")
    return Invalid(_path(at, path), _expected(error), kind(error.instance))


def _missing(error: ValidationError) -> str:
    """Which of the required members this error is about; its own message is the only place that says."""
    required: Any = error.validator_value
    return next(str(name) for name in required if error.message.startswith(repr(name)))


def _expected_member(error: ValidationError, name: str) -> str:
    schema: Any = error.schema
    member = schema.get("properties", {}).get(name, {})
    return str(member.get("description") or _nouns(member.get("type")) or "a value")


def _expected(error: ValidationError) -> str:
    keyword = str(error.validator)
    value: Any = error.validator_value
    schema: Any = error.schema
    described = schema.get("description") if isinstance(schema, Mapping) else None
    if described:
        return str(described)
    match keyword:
        case "type":
            return _nouns(value)
        case "enum":
            return "one of " + ", ".join(map(str, value))
        case "const":
            return str(value)
        case "pattern":
            return f"a text of the form {value}"
        case "additionalProperties" if isinstance(schema.get("properties"), Mapping):
            return "no members but " + ", ".join(schema["properties"])
        case "dependentRequired":
            return "; ".join(f"with {name} also {', '.join(needed)}" for name, needed in value.items())
        case "not" | "anyOf" | "oneOf" | "if" | "contains" | "propertyNames":
            return "one of the allowed forms"
    return _LIMITS.get(keyword, "something else").format(value)


def _nouns(types: Any) -> str:
    listed = [types] if isinstance(types, str) else types or []
    return " or ".join(_NOUNS.get(name, name) for name in listed)


def _path(at: str, steps: Sequence[str | int]) -> str:
    return "".join(_steps(at, steps))


def _steps(at: str, steps: Sequence[str | int]) -> Iterator[str]:
    yield at
    first = not at
    for step in steps:
        yield f"[{step}]" if isinstance(step, int) else step if first else f".{step}"
        first = False
