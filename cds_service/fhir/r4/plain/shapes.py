"""What is certainly sound: primitive types, lists, elements and resources as schemas of the models' own engine.

Each allows a part of what the R4 models allow and nothing beside it: a value that fits need not be read by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pydantic_core import PydanticCustomError, SchemaValidator, core_schema
from pydantic_core.core_schema import CoreSchema

from ...lengths import LONGEST_LIST, LONGEST_TEXT
from ...repair import SKIPPED

# Names in an element of which at most one, or exactly one, may be there.
Choice = tuple[str, ...]


def _matching(pattern: str) -> CoreSchema:
    return core_schema.str_schema(pattern=pattern, min_length=1, max_length=LONGEST_TEXT, strict=True)


def _whole(least: int) -> CoreSchema:
    return core_schema.int_schema(ge=least, le=2**31 - 1, strict=True)


# Days that every such month has, of years that people live in: the few others are left to the model.
_DAY = "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_YEAR = "(?:19|20)[0-9]{2}"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_MOMENT = f"{_YEAR}-{_DAY}T{_CLOCK}(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
_DATE = f"{_YEAR}(?:-(?:{_DAY}|0[1-9]|1[0-2]))?"

TEXT: Final = _matching(r"[ \r\n\t\S]")
URI: Final = core_schema.str_schema(min_length=1, max_length=LONGEST_TEXT, strict=True)
CODE: Final = _matching(r"^\S+(?: \S+)*$")
ID: Final = _matching(r"^[A-Za-z0-9.-]{1,64}$")
DATE: Final = _matching(f"^{_DATE}$")
DATE_TIME: Final = _matching(f"^(?:{_MOMENT}|{_DATE})$")
INSTANT: Final = _matching(f"^{_MOMENT}$")
TIME: Final = _matching(f"^{_CLOCK}$")
BOOLEAN: Final = core_schema.bool_schema(strict=True)
INTEGER: Final = _whole(-(2**31))
UNSIGNED: Final = _whole(0)
POSITIVE: Final = _whole(1)
DECIMAL: Final = core_schema.union_schema(
    [core_schema.int_schema(strict=True), core_schema.decimal_schema(allow_inf_nan=False, strict=True)],
    mode="left_to_right",
)
_ANYTHING = core_schema.any_schema()


def many(member: CoreSchema) -> CoreSchema:
    """A list of at least one such member, and of no more than are read."""
    return core_schema.list_schema(member, min_length=1, max_length=LONGEST_LIST, fail_fast=True, strict=True)


def element(
    members: Mapping[str, CoreSchema],
    required: Iterable[str] = (),
    one_of: Iterable[Choice] = (),
    exactly_one_of: Iterable[Choice] = (),
) -> CoreSchema:
    """An object of these members and no other."""
    needed = frozenset(required)
    schema: CoreSchema = core_schema.typed_dict_schema(
        {name: core_schema.typed_dict_field(kind, required=name in needed) for name, kind in members.items()},
        extra_behavior="forbid",
        strict=True,
    )
    for choices, least in ((one_of, 0), (exactly_one_of, 1)):
        for choice in choices:
            schema = core_schema.no_info_after_validator_function(_counting(choice, least), schema)
    return schema


def _counting(choice: Choice, least: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def counted(value: dict[str, Any]) -> dict[str, Any]:
        present = 0
        for name in choice:
            if name in value:
                present += 1
        if not least <= present <= 1:
            raise PydanticCustomError("choice", "more than one of a choice, or none")
        return value

    return counted


def literal(*codes: str) -> CoreSchema:
    """One of these codes."""
    return core_schema.literal_schema(list(codes))


def part(members: Mapping[str, CoreSchema]) -> CoreSchema:
    """An object that has these members, whatever else it has."""
    fields = {name: core_schema.typed_dict_field(kind) for name, kind in members.items()}
    return core_schema.typed_dict_schema(fields, extra_behavior="ignore", strict=True)


def resource(
    type_name: str,
    members: Mapping[str, CoreSchema],
    required: Iterable[str] = (),
    one_of: Iterable[Choice] = (),
    exactly_one_of: Iterable[Choice] = (),
) -> CoreSchema:
    """A resource of this type; of what is never read through a model nothing is asked."""
    every = {"resourceType": literal(type_name), "id": ID, "implicitRules": URI, "language": CODE}
    never_read = dict.fromkeys(sorted(SKIPPED), _ANYTHING)
    return element({**every, **never_read, **members}, ("resourceType", *required), one_of, exactly_one_of)


def shared(schema: CoreSchema, name: str) -> tuple[CoreSchema, CoreSchema]:
    """A schema that is built once however often it is used, and what stands for it where it is used."""
    definition: CoreSchema = {**schema, "ref": name}
    return definition, core_schema.definition_reference_schema(name)


def recogniser(schema: CoreSchema, definitions: list[CoreSchema]) -> SchemaValidator:
    return SchemaValidator(core_schema.definitions_schema(schema, definitions))
