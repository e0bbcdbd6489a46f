"""The problem list: which diagnoses stand, by group of codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ..fhir.elements import ConditionRecord
from ..terminology import Terminology
from ..terminology.codes import ICD_10_CM, SNOMED_CT
from . import condition_words

_ACTIVE = frozenset({"", "active", "recurrence", "relapse"})
_NOT_MEANT = frozenset({"refuted", "entered-in-error"})
_TENTATIVE = frozenset({"provisional", "differential", "unconfirmed"})
# What happened once stays true: a transplant, a bariatric operation, a past stone.
_HISTORY_CODES = re.compile(r"Z(94|98|87)")


class Condition(Struct, frozen=True):
    """A diagnosis that stands; ``tentative`` when the record calls it provisional or differential."""

    record: ConditionRecord
    label: str
    tentative: bool

    def __str__(self) -> str:
        return self.label

    @property
    def source(self) -> str:
        """Type and id of the resource."""
        return self.record.source


def is_coded(condition: Condition) -> bool:
    """Whether it carries a code of a system in which diagnoses are looked for."""
    return any(coding.system in (ICD_10_CM, SNOMED_CT) for coding in condition.record.code.codings)


def standing(records: Iterable[ConditionRecord]) -> tuple[Condition, ...]:
    """The conditions that count: active or of unknown activity, neither refuted nor entered in error; confirmed ones
    first.
    """
    found = (
        Condition(record, record.code.label, record.verification_status in _TENTATIVE)
        for record in records
        if record.verification_status not in _NOT_MEANT and (_is_active(record) or _is_history(record))
    )
    return tuple(sorted(found, key=lambda condition: condition.tentative))


def _is_active(record: ConditionRecord) -> bool:
    return record.clinical_status in _ACTIVE and not (record.abated and not record.clinical_status)


def _is_history(record: ConditionRecord) -> bool:
    return any(_HISTORY_CODES.match(coding.code) for coding in record.code.codings)


def in_group(conditions: Sequence[Condition], group: str, terminology: Terminology) -> Condition | None:
    """The first of some conditions that belongs to a group; None when there is none.

    A diagnosis that carries no code at all is looked at by its words, for the groups that have any.
    """
    for condition in conditions:
        if terminology.member(group, condition.record.code.codings) or _is_named(condition, group):
            return condition
    return None


def _is_named(condition: Condition, group: str) -> bool:
    """Whether the words of an uncoded diagnosis name the group."""
    if is_coded(condition):
        return False
    code = condition.record.code
    return any(condition_words.names(name, group) for name in (*code.texts, *(c.display for c in code.codings)) if name)
