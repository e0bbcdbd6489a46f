"""An answer of long ago can be given again: the same request, with what the record says was in force."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cds_service.catalogue import Catalogue
from cds_service.config import Config
from cds_service.manifest import SHIPPED_MANIFEST, build
from cds_service.web import create_app

from . import ehr as bench
from .ehr import NOW, ZONE, Site
from .test_records import rows
from .vignettes import Vignette, load, paths

Json = dict[str, Any]

COUNT = 200
# What several hospitals have decided for themselves; each moves what is said of some patients.
SITES: tuple[Site, ...] = (
    {},
    {"calcium-total-daily": {"limit_mg": 1500}},
    {"vitamin-d-status": {"sufficient": {"mass": 40, "molar": 100}}},
    {"calcium-total-daily": {"limit_mg": 2500}, "cards": {"max_cards": 3}},
)


def as_recorded(document: Json) -> Catalogue:
    """A catalogue in which every value is the recorded one, whatever the files say now."""
    manifest = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    known = {**document["rules"], **document["shared"]}
    manifest["site"]["parameters"] = [
        {"rule": id_, "parameter": name, "value": value, "reason": "as recorded", "approvedBy": "the record",
         "from": "2000-01-01"}
        for id_, one in known.items()
        for name, value in one["values"].items()
    ]  # fmt: skip
    service = {rule for entry in manifest["services"] for rule in entry["rules"]}
    manifest["site"]["disabledRules"] = sorted(service - document["rules"].keys())
    return build(json.loads(json.dumps(manifest), parse_float=Decimal))


def findings(results: list[Json]) -> list[tuple[str, str, str]]:
    return sorted((r["rule"], f["outcome"], f.get("case", "")) for r in results for f in r.get("findings", ()))


def recorded(file: Path, catalogue: Catalogue, vignettes: list[Vignette]) -> list[tuple[list[Json], list[Json], Json]]:
    """What the records of one call each say: results, the findings on the cards, what was in force."""
    app = create_app(Config(timezone=ZONE, auth="off", records=f"sqlite:///{file}"), catalogue, lambda: NOW)
    caller = app.test_client()
    services = {s["hook"]: s for s in caller.get("/cds-services").get_json()["services"]}
    for number, vignette in enumerate(vignettes):
        service = services[vignette.hook]
        body = {**bench.request(service, vignette), "hookInstance": str(number)}
        with caller.post(f"/cds-services/{service['id']}", json=body):
            pass
    calls = sorted(rows(file, "invocation", len(vignettes)), key=lambda call: int(call["hook_instance"]))
    cards = sorted(rows(file, "card", 0), key=lambda card: int(card["position"]))
    in_force = {c["digest"]: json.loads(c["document"]) for c in rows(file, "configuration")}
    return [
        (
            json.loads(call["results"]),
            [json.loads(card["findings"]) for card in cards if card["invocation"] == call["id"]],
            in_force[call["configuration"]],
        )
        for call in calls
    ]


@pytest.mark.parametrize("site", SITES, ids=[", ".join(site) or "as shipped" for site in SITES])
def test_the_same_request_with_the_recorded_values_gives_the_recorded_findings(site: Site, tmp_path: Path) -> None:
    chosen = random.Random(repr(site))  # the same every time
    ordinary = [v for p in paths() if not (v := load(p)).site and not v.unasked and v.status == 200 and not v.enable]
    vignettes = chosen.sample(ordinary, COUNT // len(SITES))
    records = recorded(tmp_path / "then.sqlite", bench.catalogue_with(site), vignettes)
    for digest in {json.dumps(document, sort_keys=True) for _, _, document in records}:
        same = [n for n, (_, _, document) in enumerate(records) if json.dumps(document, sort_keys=True) == digest]
        now = as_recorded(json.loads(digest))
        again = recorded(tmp_path / f"{same[0]}.sqlite", now, [vignettes[n] for n in same])
        for number, (results, cards, _) in zip(same, again, strict=True):
            assert findings(results) == findings(records[number][0]), vignettes[number].title
            assert cards == records[number][1], vignettes[number].title
    shipped = recorded(tmp_path / "shipped.sqlite", bench.catalogue_with({}), vignettes)
    moved = sum(findings(one[0]) != findings(other[0]) for one, other in zip(records, shipped, strict=True))
    # It is the recorded values that decide, not the shipped ones.
    assert (moved > 0) is bool(site.keys() - {"cards"})
    assert sum(len(findings(results)) for results, _, _ in records) > len(vignettes) / 2
