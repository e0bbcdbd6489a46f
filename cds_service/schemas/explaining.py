"""What an error of jsonschema means, in words that repeat nothing of the document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jsonschema import ValidationError
from jsonschema.exceptions import best_match

from . import kind

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


def told(error: ValidationError, at: str) -> tuple[str, str, str]:
    """Where the problem is, below ``at``, what was expected there and what kind of value came: the words of Invalid."""
    # Of several alternatives, the one the document comes closest to is the one to speak of.
    error = best_match(iter((error,))) or error
    path: list[str | int] = list(error.absolute_path)
    if error.validator == "required":
        missing = _missing(error)
        return _path(at, [*path, missing]), _expected_member(error, missing), "nothing"
    return _path(at, path), _expected(error), kind(error.instance)


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
