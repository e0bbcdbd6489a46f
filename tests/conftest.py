"""What every test may use: the EHR with its service, at a fixed moment, and a count of the vignettes that ran."""

from __future__ import annotations

from collections import Counter

import prometheus_client  # noqa: F401  # it decides at its import whether processes share numbers: here they do not
import pytest
from hypothesis import settings

from .ehr import Ehr, catalogue_with, hospital
from .vignettes import load, paths

# How long an example takes says nothing here: machines are shared, and the first of a kind builds what it needs.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def ehr() -> Ehr:
    """An EHR whose service runs with the shipped manifest."""
    return hospital()


@pytest.fixture(scope="session")
def in_service() -> frozenset[str]:
    """The rules in service."""
    return rules_in_service()


@pytest.fixture(scope="session")
def switched_off() -> frozenset[str]:
    """The rules that the shipped manifest lists and switches off."""
    return rules_switched_off()


def rules_switched_off() -> frozenset[str]:
    """The rules that the shipped manifest lists and switches off."""
    return frozenset(catalogue_with({}).manifest["site"]["disabledRules"])


def rules_in_service() -> frozenset[str]:
    """The rules that the shipped manifest puts into service."""
    return frozenset(rule.rule.id for entry in catalogue_with({}).entries for rule in entry.rules)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how much of the vignettes and of the quiet set was checked, and what came of it."""
    passed = terminalreporter.stats.get("passed", [])
    quiet = Counter(value for report in passed for name, value in report.user_properties if name == "quiet")
    if quiet:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(quiet.items()))
        terminalreporter.write_line(f"ordinary orders: {told}")
    if not any("test_vignettes" in str(item.nodeid) for item in passed):
        return
    reports = (report for reports in terminalreporter.stats.values() for report in reports)
    cards = [v for r in reports for name, v in getattr(r, "user_properties", ()) if name == "cards"]
    if cards:
        mean = sum(cards) / len(cards)
        terminalreporter.write_line(f"cards: {mean:.2f} on average, {max(cards)} at most, over {len(cards)} answers")
    in_service = rules_in_service()
    waiting = [waits for path in paths() if (waits := load(path).waits_for(in_service))]
    rules = sorted(frozenset().union(*waiting))
    terminalreporter.write_line(
        f"vignettes: {len(paths()) - len(waiting)} checked whole, {len(waiting)} wait for {len(rules)} rules "
        f"not in service: {', '.join(rules)}"
    )
