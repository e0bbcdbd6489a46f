"""A report as one page that needs nothing else: tables, a chart beside those that gain by it, no script."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable
from pathlib import Path

import jinja2
from markupsafe import Markup

from .charts import Bar, Chart, svg
from .numbers import Report
from .sections import sections
from .words import (
    milliseconds,
    moment,
    name_of,
    overrides,
    per_thousand,
    percent,
    period,
    share,
    warnings,
    whole_number,
    word,
)

# More bars than this nobody compares; the table has the rest.
CHARTED = 12
_FOLDER = Path(__file__).parent
# Whatever is not on the page is not loaded, and nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(report: Report, zone: zoneinfo.ZoneInfo) -> str:
    """The page as HTML; instants are told in ``zone``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    charts = {id_: chart for id_, chart in _charts(report).items() if chart.bars}
    return environment.get_template("page.html.jinja").render(
        policy=_POLICY,
        style=Markup((_FOLDER / "page.css").read_text("utf-8")),  # noqa: S704  # our own file
        period=period(report, zone),
        made=f"{moment(report.made, zone)} ({zone.key})",
        warnings=list(warnings(report)),
        figures=_figures(report),
        sections=sections(report, zone),
        charts={id_: Markup(svg(chart, f"chart-{id_}")) for id_, chart in charts.items()},  # noqa: S704  # escaped there
        captions={id_: chart.description for id_, chart in charts.items()},
    )


def _figures(report: Report) -> list[tuple[str, str, str]]:
    """The few numbers that stand large: number, what it is, and of what."""
    offering = report.offering
    return [
        (whole_number(report.calls), "calls", "requests of EHRs"),
        (whole_number(report.shown), "cards shown", f"{whole_number(offering.cards)} with suggestions"),
        (_large(offering.accepted, offering.cards), "accepted", _of(offering.accepted, offering.cards)),
        (_large(offering.overridden, offering.cards), "overridden", _of(offering.overridden, offering.cards)),
        (_large(offering.unanswered, offering.cards), "no response", _of(offering.unanswered, offering.cards)),
        (whole_number(len(report.for_review)), "rules for review", f"of {len(report.rules)} in this report"),
    ]


def _large(part: int, whole: int) -> str:
    told = share(part, whole)
    return percent(part, whole) if "%" in told else whole_number(part)


def _of(part: int, whole: int) -> str:
    return f"{whole_number(part)} of {whole_number(whole)} cards with suggestions"


def _charts(report: Report) -> dict[str, Chart]:
    return {
        "responses": _responses(report),
        "reasons": _reasons(report),
        "fired": _fired(report),
        "gaps": _gaps(report),
        "latency": _latency(report),
    }


def _most(bars: Iterable[Bar], description: str, title: str, parts: tuple[str, ...] = ()) -> Chart:
    """A chart of the first bars; where others are left to the table, it says so."""
    every = tuple(bars)
    left = len(every) - CHARTED
    note = f" The table has {left} more." if left > 0 else ""
    return Chart(title, description + note, every[:CHARTED], parts)


def _responses(report: Report) -> Chart:
    rules = sorted((r for r in report.rules if r.offering.cards), key=lambda r: -r.offering.cards)
    return _most(
        (
            Bar(
                rule.rule,
                (o.accepted / o.cards, o.overridden / o.cards, o.unanswered / o.cards),
                f"of {whole_number(o.cards)}",
                tuple(whole_number(n) for n in (o.accepted, o.overridden, o.unanswered)),
            )
            for rule in rules
            for o in [rule.offering]
        ),
        "Shares of the cards of each rule, with numbers of cards; rules with most cards first.",
        "Cards accepted, overridden and without response, by rule",
        ("accepted", "overridden", "no response"),
    )


def _reasons(report: Report) -> Chart:
    return _most(
        (Bar(reason, (cards,), whole_number(cards)) for reason, cards in overrides(report)),
        "Cards overridden for each reason, over all rules in this report; a card of two rules counts for both.",
        "Cards overridden, by reason",
    )


def _fired(report: Report) -> Chart:
    rules = sorted((r for r in report.rules if r.applied), key=lambda r: (-r.applied / r.asked, r.rule))
    return _most(
        (Bar(r.rule, (1000 * r.applied / r.asked,), per_thousand(r.applied, r.asked)) for r in rules),
        "Calls in which a rule reached any outcome, per 1,000 calls that asked it; the most frequent first.",
        "How often each rule spoke, per 1,000 calls",
    )


def _gaps(report: Report) -> Chart:
    return _most(
        (Bar(f"{word(g.key)} ({g.kind}): {word(g.reason)}", (g.calls,), whole_number(g.calls)) for g in report.gaps),
        "Calls in which data could not be read, by data and reason; the most frequent first.",
        "Data that could not be read, by calls",
    )


def _latency(report: Report) -> Chart:
    return _most(
        (
            Bar(f"{name_of(one)}: {place} of 100 calls within", (us / 1000,), f"{milliseconds(us)} ms")
            for one in report.latency
            for place, us in ((50, one.p50_us), (90, one.p90_us), (99, one.p99_us))
        ),
        "Milliseconds within which 50, 90 and 99 of 100 calls were answered, by service.",
        "How long answers took",
    )
