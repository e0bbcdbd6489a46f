"""A report as sections of words and tables, the same in a terminal and on a page."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..wording import plain
from .numbers import (
    REVIEW_BELOW_PERCENT,
    REVIEW_FROM_CARDS,
    Answers,
    Report,
    RuleNumbers,
    Version,
)
from .words import (
    NO_REASON,
    milliseconds,
    moment,
    name_of,
    per_thousand,
    reason_name,
    share,
    value,
    whole_number,
    word,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading; numbers stand at the right."""

    name: str
    number: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """One question and its answer: what is counted, in a table; ``empty`` is said where there is nothing to count."""

    id: str
    title: str
    meaning: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str


def sections(report: Report, zone: zoneinfo.ZoneInfo) -> tuple[Section, ...]:
    """Every section, in the order in which a committee asks; instants are told in ``zone``."""
    return (
        _glance(report),
        _review(report),
        _responses(report),
        _reasons(report),
        _telling(report),
        _fired(report),
        _silent(report),
        _gaps(report),
        _latency(report),
        _clients(report),
        _feedback(report),
        _changes(report, zone),
        _versions(report, zone),
    )


def _table(
    id_: str, title: str, meaning: str, names: Sequence[str], rows: Iterable[Sequence[str]], empty: str, texts: int = 1
) -> Section:
    """A section whose first ``texts`` columns are words and the others numbers."""
    columns = tuple(Column(name, number=place >= texts) for place, name in enumerate(names))
    return Section(id_, title, meaning, columns, tuple(tuple(map(plain, row)) for row in rows), empty)


def _counts(*numbers: int) -> tuple[str, ...]:
    return tuple(map(whole_number, numbers))


def _glance(report: Report) -> Section:
    offering = report.offering
    rows = [
        ("calls", whole_number(report.calls)),
        *((f"calls answered with HTTP {status}{_status(status)}", whole_number(n)) for status, n in report.statuses),
        ("cards shown", whole_number(report.shown)),
        ("cards shown with suggestions", whole_number(offering.cards)),
        ("of these accepted", share(offering.accepted, offering.cards)),
        ("of these overridden", share(offering.overridden, offering.cards)),
        ("of these without response", share(offering.unanswered, offering.cards)),
        ("cards made in silent mode, not shown", whole_number(report.silent)),
        ("rules for review", whole_number(len(report.for_review))),
        ("versions that changed in the period", whole_number(len(report.changed))),
    ]
    meaning = (
        "A call is one request of an EHR to a service: one order can cause several, when it is chosen and when it is "
        "signed, and the same advice is then a card each time. Each card is counted once here."
    )
    return _table("glance", "At a glance", meaning, ("what", "number"), rows, "")


def _status(status: int) -> str:
    return {
        200: " (checked)",
        412: " (data needed was not sent: nothing checked)",
        500: " (the service broke: nothing checked)",
    }.get(status, "")


def _review(report: Report) -> Section:
    meaning = (
        f"Rules of which fewer than {REVIEW_BELOW_PERCENT} % of at least {REVIEW_FROM_CARDS} cards shown with "
        "suggestions were accepted. A flag is a question, not a verdict: a client that sends no feedback makes every "
        "card one without response (see the clients)."
    )
    rows = ((r.rule, _top_reason(r), *_responded(r.offering)) for r in report.for_review)
    names = ("rule", "most frequent reason", *_RESPONSES)
    return _table("review", "Rules for review", meaning, names, rows, "No rule is for review.", texts=2)


_RESPONSES = ("cards", "accepted", "overridden", "no response")


def _responded(answers: Answers) -> tuple[str, ...]:
    """The cells for ``_RESPONSES``."""
    accepted = share(answers.accepted, answers.cards)
    return (whole_number(answers.cards), accepted, *_counts(answers.overridden, answers.unanswered))


def _top_reason(rule: RuleNumbers) -> str:
    given = [reason for reason in rule.reasons if reason_name(reason) != NO_REASON]
    return f"{reason_name(given[0])}: {whole_number(given[0].cards)}" if given else "–"


def _responses(report: Report) -> Section:
    meaning = (
        "Cards shown that had suggestions, by what became of them: somebody took a suggestion, somebody dismissed the "
        "card, or nobody said anything. EHRs never report ignored cards, and some send no feedback at all. The latest "
        "feedback for a card counts, by its own time. A card that tells of several rules is counted for each."
    )
    rows = ((r.rule, *_responded(r.offering)) for r in report.rules if r.offering.cards)
    title = "What became of cards with suggestions"
    return _table("responses", title, meaning, ("rule", *_RESPONSES), rows, "No such card was shown.")


def _reasons(report: Report) -> Section:
    meaning = (
        "Why cards were dismissed, in the words or the code that the EHR sent. A card with two reasons is counted for "
        "both; cards without suggestions are counted too."
    )
    rows = (
        (r.rule, reason_name(reason), *_counts(reason.cards),
         share(reason.cards, r.offering.overridden + r.telling.overridden))
        for r in report.rules for reason in r.reasons
    )  # fmt: skip
    names = ("rule", "reason", "cards", "of cards overridden")
    return _table("reasons", "Reasons for overriding", meaning, names, rows, "No card was overridden.", texts=2)


def _telling(report: Report) -> Section:
    meaning = (
        "Cards shown that had none: nothing on them could be accepted, so they are in no rate of acceptance. "
        "data-gaps is the card that says which data could not be read."
    )
    rows = (
        (r.rule, *_counts(r.telling.cards, r.telling.overridden, r.telling.unanswered, r.telling.accepted))
        for r in report.rules if r.telling.cards
    )  # fmt: skip
    names = ("rule", "cards", "overridden", "no response", "accepted all the same")
    return _table("telling", "Cards without suggestions", meaning, names, rows, "No such card was shown.")


def _fired(report: Report) -> Section:
    meaning = (
        "In how many of the calls that asked a rule it reached an outcome, whether or not a card told of it: other "
        "findings may have silenced it, or it is in silent mode. A call that reached two outcomes is counted for each."
    )
    rows: list[tuple[str, ...]] = []
    for r in (r for r in report.rules if r.asked):
        asked = whole_number(r.asked)
        if len(r.outcomes) != 1:
            rows.append((r.rule, "any outcome", *_counts(r.applied), asked, per_thousand(r.applied, r.asked)))
        rows.extend((r.rule, o.outcome, *_counts(o.calls), asked, per_thousand(o.calls, r.asked)) for o in r.outcomes)
        for name, calls in (("could not be checked", r.not_evaluated), ("the rule broke", r.failed)):
            if calls:
                rows.append((r.rule, name, *_counts(calls), asked, per_thousand(calls, r.asked)))
    names = ("rule", "outcome", "calls", "of calls", "per 1,000 calls")
    return _table("fired", "How often rules spoke", meaning, names, rows, "No call was recorded.", texts=2)


def _silent(report: Report) -> Section:
    meaning = "Cards that were made and recorded, but not shown to anybody: in no other count of cards."
    rows = ((r.rule, *_counts(r.silent, r.offering.cards + r.telling.cards)) for r in report.rules if r.silent)
    names = ("rule", "in silent mode", "shown")
    return _table("silent", "Silent mode", meaning, names, rows, "No card was made in silent mode.")


def _gaps(report: Report) -> Section:
    meaning = (
        "What rules asked for and could not be told. withheld: neither sent nor to be fetched; failed: asked for and "
        "refused; unreadable: came, and could not be read; not-offered: not had at the site; broken: our own fault."
    )
    rows = (
        (word(g.key), g.kind, word(g.reason), *_counts(g.calls), per_thousand(g.calls, report.calls))
        for g in report.gaps
    )  # fmt: skip
    names = ("data", "kind", "reason", "calls", "per 1,000 calls")
    return _table("gaps", "Data that could not be read", meaning, names, rows, "Nothing was missing.", texts=3)


def _latency(report: Report) -> Section:
    meaning = (
        "Milliseconds from when a call was taken up until its answer was ready, without the network and the time in "
        "the gateway. Of 100 calls 50, 90 and 99 took no longer than this."
    )
    rows = (
        (name_of(one), *_counts(one.calls), *(milliseconds(us) for us in (one.p50_us, one.p90_us, one.p99_us)))
        for one in report.latency
    )
    names = ("service", "calls", "50 of 100", "90 of 100", "99 of 100")
    return _table("latency", "How long answers took", meaning, names, rows, "No call was recorded.")


def _clients(report: Report) -> Section:
    meaning = (
        "Which EHR called. Where many cards were shown and none was answered, the client probably sends no feedback: "
        "nothing is then known of what became of its cards, and rates of acceptance are too low."
    )
    rows = ((word(c.client), *_counts(c.calls, c.cards), share(c.answered, c.cards)) for c in report.clients)
    names = ("client", "calls", "cards shown", "answered")
    return _table("clients", "Clients", meaning, names, rows, "No client called.")


def _feedback(report: Report) -> Section:
    heard = report.feedback
    rows = (
        ("counted: the latest for a card shown", whole_number(heard.counted)),
        ("followed by a later one for the same card", whole_number(heard.superseded)),
        ("for a card in silent mode", whole_number(heard.silent)),
        ("for a card that is not in these records", whole_number(heard.unknown)),
    )
    meaning = (
        "Each entry once, however often it was sent. Feedback belongs to the period of its card's call; for a card "
        "that is not in these records (deleted since, of another installation, or never made) its own time counts."
    )
    return _table("feedback", "Feedback received", meaning, ("what", "entries"), rows, "")


def _changes(report: Report, zone: zoneinfo.ZoneInfo) -> Section:
    meaning = (
        "Versions and values of the site that changed inside the period: what was counted before and after does not "
        "compare. Where two overlap in time, both were in force side by side, or one was taken back."
    )
    rows = (
        (one.id, word(change.name), value(change.before), value(change.after), moment(one.first, zone))
        for one in report.changed for change in one.changes
    )  # fmt: skip
    names = ("rule or shared numbers", "what", "before", "after", "first call with it")
    return _table("changes", "Changes inside the period", meaning, names, rows, "Nothing changed.", texts=5)


def _versions(report: Report, zone: zoneinfo.ZoneInfo) -> Section:
    meaning = "What was in force: every version, with its first and last call in the period."
    rows = ((one.id, _version(one), moment(one.first, zone), moment(one.last, zone), *_counts(one.calls))
            for one in report.versions)  # fmt: skip
    names = ("rule or shared numbers", "version", "first call", "last call", "calls")
    return _table("versions", "Versions in force", meaning, names, rows, "No call was recorded.", texts=4)


def _version(one: Version) -> str:
    only_values = one.changes and all(change.name != "version" for change in one.changes)
    return f"{one.version}, other values" if only_values else one.version
