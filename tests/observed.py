"""Results of a domain made of what is known of each."""

from __future__ import annotations

from cds_service.facts.results import Reported, Result, Results, Unusable


def results(*outcomes: Result | Unusable, complete: bool = True, more: bool = False) -> Results:
    """The results that these outcomes are."""
    moments = [one.moment if isinstance(one, Result) else None for one in outcomes]
    return Results(map(Reported.known, outcomes, moments), complete=complete, more=more)
