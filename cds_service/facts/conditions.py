"""The problem list: which diagnoses stand, by group of codes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from msgspec import Struct

from ..fhir.elements import ConditionRecord
from ..terminology import Terminology
from ..terminology.codes import ICD_10_CM, SNOMED_CT, Coding
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


class Standing:
    """The conditions that count: active or of unknown activity, neither refuted nor entered in error; confirmed ones
    first.
    """

    def __init__(self, records: Iterable[ConditionRecord]) -> None:
        found = (
            Condition(record, record.code.label, record.verification_status in _TENTATIVE)
            for record in records
            if record.verification_status not in _NOT_MEANT and (_is_active(record) or _is_history(record))
        )
        self._conditions = sorted(found, key=lambda condition: condition.tentative)
        # Long problem lists name the same few diagnoses again and again: the first place of each.
        self._places: dict[tuple[str, str], tuple[int, Coding]] = {}
        self._uncoded: list[int] = []
        for place, condition in enumerate(self._conditions):
            codings = condition.record.code.codings
            for coding in codings:
                self._places.setdefault((coding.system, coding.code), (place, coding))
            if not any(coding.system in (ICD_10_CM, SNOMED_CT) for coding in codings):
                self._uncoded.append(place)

    @property
    def has_uncoded(self) -> bool:
        """Whether one carries no code of a system in which diagnoses are looked for."""
        return bool(self._uncoded)

    def in_group(self, group: str, terminology: Terminology) -> Condition | None:
        """The first that belongs to a group; None when there is none.

        A diagnosis that carries no code at all is looked at by its words, for the groups that have any.
        """
        coded = (place for place, coding in self._places.values() if terminology.member(group, (coding,)))
        named = (place for place in self._uncoded if _is_named(self._conditions[place], group))
        first = min((*islice(coded, 1), *islice(named, 1)), default=None)  # both go from the first place to the last
        return None if first is None else self._conditions[first]


def _is_active(record: ConditionRecord) -> bool:
    return record.clinical_status in _ACTIVE and not (record.abated and not record.clinical_status)


def _is_history(record: ConditionRecord) -> bool:
    return any(_HISTORY_CODES.match(coding.code) for coding in record.code.codings)


def _is_named(condition: Condition, group: str) -> bool:
    """Whether the words of a diagnosis name the group."""
    code = condition.record.code
    return any(condition_words.names(name, group) for name in (*code.texts, *(c.display for c in code.codings)) if name)
