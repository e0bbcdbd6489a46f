"""A rule without an order to judge is not begun: it would say nothing, and ask for nothing that could be missing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest

from cds_service import exact_json
from cds_service.catalogue import ServiceEntry
from cds_service.cdshooks import parse_request
from cds_service.facts import Facts
from cds_service.facts.clock import Clock
from cds_service.fhir import DataUnavailable
from cds_service.rules.rule import Finding, Gap, Rule
from cds_service.service import _facts

from . import ehr as bench
from .vignettes import NOW, ZONE, Vignette, load, paths

CATALOGUE = bench.catalogue_with({})
CLOCK = Clock(NOW, ZONE)
SAMPLE = [vignette for path in paths()[::2] if not (vignette := load(path)).site and not vignette.enable]


def sent(vignette: Vignette, *, with_data: bool) -> Iterator[tuple[ServiceEntry, Facts]]:
    """The facts of every service that a vignette calls; without data, so that every question for it shows."""
    for service in bench.hospital().services:
        if service["hook"] == vignette.hook:
            body = bench.request(service, vignette)
            prefetch = body["prefetch"] if with_data else {}
            request = parse_request(exact_json.parse(json.dumps({**body, "prefetch": prefetch}).encode()))
            entry = next(entry for entry in CATALOGUE.entries if entry.service.id == service["id"])
            yield entry, _facts(CATALOGUE, entry, request, CLOCK, None, math.inf)


def said(rule: Rule, entry: ServiceEntry, facts: Facts) -> list[Finding | Gap]:
    """What the rule's function says when it is run all the same; a source that could not be had is a gap."""
    parameters = next(one for one in entry.rules if one.rule is rule).parameters(CLOCK.today)
    try:
        with facts.readable(rule.requires):
            return list(rule.function(facts, parameters))
    except DataUnavailable as unavailable:
        return [Gap.of(unavailable)]


@pytest.mark.parametrize("with_data", [True, False], ids=["with-data", "with-no-data-sent"])
def test_a_rule_with_nothing_to_judge_says_nothing_and_misses_nothing(with_data: bool) -> None:
    not_begun: set[str] = set()
    begun: set[str] = set()
    for vignette in SAMPLE:
        for entry, facts in sent(vignette, with_data=with_data):
            for rule in (in_service.rule for in_service in entry.rules):
                if facts.judges(rule.about):
                    begun.add(rule.id)
                else:
                    not_begun.add(rule.id)
                    assert said(rule, entry, facts) == [], f"{rule.id} in {vignette.name}"
    of_classes = {one.rule.id for entry in CATALOGUE.entries for one in entry.rules if one.rule.about}
    assert not_begun == of_classes, "each rule that judges drug classes is to be left out of some request"
    assert begun >= of_classes, "and to be begun in another"
