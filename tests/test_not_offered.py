"""Data that a site does not have: said once in discovery, not on every card, and never taken for "none"."""

from __future__ import annotations

import json

import pytest

from cds_service.config import Config
from cds_service.manifest import SHIPPED_MANIFEST, ManifestError, build
from cds_service.web import create_app

from .ehr import NOW, ZONE, Ehr, Json
from .vignettes import load, paths


def manifest(key: str) -> Json:
    document: Json = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    entry = {"key": key, "reason": "the EHR has no such resource", "approvedBy": "the integration team"}
    document["site"]["notOffered"] = [entry]
    return document


def without(key: str) -> Ehr:
    return Ehr(create_app(Config(timezone=ZONE, auth="off"), build(manifest(key)), lambda: NOW).test_client())


QUIET = next(
    v for v in map(load, paths()) if v.rule == "calcium-total-daily" and not v.findings and v.hook == "order-sign"
)


def test_discovery_does_not_ask_for_it_and_says_what_is_not_checked() -> None:
    for service in without("medication-statements").services:
        assert "medication-statements" not in service["prefetch"]
        assert "Not checked at this site: reported medications." in service["usageRequirements"]


def test_it_is_no_gap_on_any_card_and_no_412() -> None:
    (response,) = without("medication-statements").call(QUIET)
    assert response.status == 200
    assert all("not fully checked" not in card["summary"] for card in response.cards)


def test_a_key_that_no_rule_needs_is_a_mistake_of_the_manifest() -> None:
    with pytest.raises(ManifestError, match=r"site.notOffered\[0\].key: no rule in service needs 'dosages'"):
        build(manifest("dosages"))
