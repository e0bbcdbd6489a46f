"""The contract of a rule: what it declares, what it may say, and how it is evaluated."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..facts import Facts
from ..facts.orders import Order, TestOrder
from ..fhir import DataUnavailable, OutOfTime
from ..fhir.requirement import DataRequirement
from ..knowledge import Parameters

LATE = "late"

# What a finding is about: a medication order, or a test that is asked for.
About = Order | TestOrder


class Finding(Struct, frozen=True):
    """One outcome reached for one order (or several told together), with the values it rests on.

    ``case`` picks between an outcome's wordings where the same conclusion is told more or less loudly.
    """

    outcome: str
    about: tuple[About, ...]
    values: Mapping[str, Any]
    case: str = ""


class Gap(Struct, frozen=True):
    """Something a rule asked for and could not be told: the prefetch key, how it failed, and a short reason.

    ``kind`` is "withheld" (neither sent nor to be fetched), "not-offered" (not had at the site), "failed" (asked for,
    and refused), "unreadable", "late" (the rule of this key was not finished in time), or "broken" (it broke: our own
    fault).
    """

    key: str
    kind: str
    reason: str

    @classmethod
    def of(cls, error: DataUnavailable) -> Gap:
        """The gap that an unavailable source leaves."""
        return cls(error.key, error.kind, error.reason)


Findings = Iterator[Finding | Gap]
RuleFunction = Callable[[Facts, Parameters], Findings]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as declared: its function, and everything it may read, say and show."""

    id: str
    hooks: tuple[str, ...]
    about: tuple[str, ...]  # the drug classes whose orders it judges
    requires: tuple[DataRequirement, ...]
    outcomes: Mapping[str, tuple[str, ...]]  # outcome → its cases
    values: frozenset[str]
    uses: frozenset[str]  # of the patient: "birth-date", "sex"
    function: RuleFunction
    knowledge_file: Path


class RuleResult(Struct, frozen=True):
    """What became of one rule in one request.

    ``status`` is "applies" (it found something), "does-not-apply" (checked, nothing to say), "not-evaluated" (a gap
    stopped it) or "failed" (the rule itself broke; ``error`` has the exception's type and place, no values).
    """

    rule: Rule
    status: str
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    error: str = ""

    @property
    def is_late(self) -> bool:
        """Whether the time was used up before the rule came to its end."""
        return bool(self.gaps) and any(gap.kind == LATE for gap in self.gaps)


def rule(
    *,
    hooks: Sequence[str],
    about: Sequence[str],
    requires: Sequence[DataRequirement],
    outcomes: Mapping[str, Sequence[str]],
    values: Sequence[str],
    uses: Sequence[str] = (),
) -> Callable[[RuleFunction], Rule]:
    """Declares a rule.

    ``outcomes`` names every outcome the function can reach, each with its cases; ``values`` every name a wording may
    use beside ``order`` and ``drug``. Both are held against the knowledge file at start, and against what the
    function yields when it runs. ``uses`` is what of the patient the rule looks at: "birth-date", "sex".
    """

    def declare(function: RuleFunction) -> Rule:
        code = function.__code__
        return Rule(
            id=function.__name__.replace("_", "-"),
            hooks=tuple(hooks),
            about=tuple(about),
            requires=tuple(requires),
            outcomes={outcome: tuple(cases) for outcome, cases in outcomes.items()},
            values=frozenset(values) | {"order", "drug"},
            uses=frozenset(uses),
            function=function,
            knowledge_file=Path(code.co_filename).with_suffix(".json"),
        )

    return declare


def evaluate(rule: Rule, facts: Facts, parameters: Parameters, until: float = math.inf) -> RuleResult:
    """Runs one rule over the facts; what it could not be told is a gap, and its own fault stays its own.

    After ``until``, an instant of ``time.monotonic``, it is not begun any more.
    """
    findings: list[Finding] = []
    gaps: list[Gap] = []
    try:
        if time.monotonic() > until:
            raise OutOfTime
        with facts.readable(rule.requires):
            for said in rule.function(facts, parameters):
                if isinstance(said, Gap):
                    gaps.append(said)
                else:
                    findings.append(_declared(rule, said))
    except DataUnavailable as unavailable:
        gaps.append(Gap.of(unavailable))
    except OutOfTime:
        gaps.append(Gap(rule.id, LATE, "not checked in time"))
    except Exception as error:
        return RuleResult(rule, "failed", error=_place(error))
    gaps = list(dict.fromkeys(gaps))
    silent = "not-evaluated" if gaps else "does-not-apply"
    return RuleResult(rule, "applies" if findings else silent, tuple(findings), tuple(gaps))


def _declared(rule: Rule, finding: Finding) -> Finding:
    cases = rule.outcomes.get(finding.outcome)
    if cases is None or (finding.case and finding.case not in cases):
        raise UndeclaredOutcome(f"{rule.id} yields {finding.outcome}/{finding.case}, which it does not declare")
    surplus = finding.values.keys() - rule.values
    if surplus:
        raise UndeclaredOutcome(f"{rule.id} yields the values {sorted(surplus)}, which it does not declare")
    return finding


class UndeclaredOutcome(Exception):
    """A rule said something it had not declared: a defect of the rule."""


_FRAME = re.compile(r"cds_service[/\\](.+)$")


def _place(error: Exception) -> str:
    """Type and innermost place of an exception, without its message: a message may hold patient data."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        match = _FRAME.search(trace.tb_frame.f_code.co_filename)
        if match:
            place = f"{match.group(1)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
