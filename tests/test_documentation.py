"""What `cds-service knowledge` prints: the register, one rule in full, a sample card of every outcome and case."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from markdown_it import MarkdownIt

from cds_service import schemas
from cds_service.__main__ import main
from cds_service.documentation import overview, reading, samples
from cds_service.documentation.register import Register, Vignettes
from cds_service.documentation.samples import BrokenSample, Sample
from cds_service.manifest import SHIPPED_MANIFEST, load_catalogue
from cds_service.rules import all_rules
from cds_service.terminology import Terminology
from cds_service.wording import SUMMARY_LENGTH

from . import samples as recorder

REGISTER = Register.of(load_catalogue())
RULES = tuple(REGISTER.rules)
FHIR = REGISTER.catalogue.fhir
ATTRIBUTES = [
    "citation",
    "developer",
    "funding",
    "dates",
    "race",
    "ethnicity",
    "language",
    "sexual-orientation",
    "gender-identity",
    "sex",
    "birth-date",
    "social-determinants",
    "health-status",
]


def called(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["knowledge", *arguments], env=environment)


def manifest(folder: Path, **site: Any) -> str:
    document = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    document["site"].update(site)
    file = folder / "manifest.json"
    file.write_text(json.dumps(document), "utf-8")
    return str(file)


# -- the register -----------------------------------------------------------------------------------------------------


def test_every_rule_is_listed_whether_in_service_or_not() -> None:
    listed = [rule["id"] for rule in overview.document(REGISTER)["rules"]]
    assert sorted(listed) == sorted(all_rules())


def test_a_rule_has_the_thirteen_source_attributes_and_none_is_empty() -> None:
    for rule in overview.document(REGISTER)["rules"]:
        attributes = rule["sourceAttributes"]
        assert list(attributes) == ATTRIBUTES
        assert all(attributes.values()), rule["id"]


def test_source_attributes_follow_what_a_rule_declares() -> None:
    entry = REGISTER.rules["calcium-total-daily"]
    assert entry.rule is not None
    assert REGISTER.source_attributes(entry)["birth-date"].startswith("Used")
    assert REGISTER.source_attributes(entry)["sex"] == "Not used."
    assert "pregnancy" in REGISTER.source_attributes(entry)["health-status"]
    bare = dataclasses.replace(entry, rule=dataclasses.replace(entry.rule, uses=frozenset({"sex"}), requires=()))
    assert REGISTER.source_attributes(bare)["birth-date"] == "Not used."
    assert REGISTER.source_attributes(bare)["sex"].startswith("Used")
    assert REGISTER.source_attributes(bare)["health-status"] == "Not used."


def test_no_value_set_reads_social_determinants() -> None:
    social = re.compile(r"Z(5[5-9]|6[0-5])(\.|$)")
    for value_set in Terminology.load(optional=frozenset()).value_sets.values():
        codes = value_set.codes("http://hl7.org/fhir/sid/icd-10-cm")
        assert not [code for code in codes if social.match(code)], value_set


def test_a_disabled_rule_is_said_to_be_disabled_and_an_unlisted_one_to_be_unlisted(tmp_path: Path) -> None:
    disabled = called(CDS_MANIFEST=manifest(tmp_path, disabledRules=["calcium-total-daily"])).output
    assert re.search(r"\| `calcium-total-daily` .* no: disabled by the site \|", disabled)
    assert "`calcium-total-daily` (disabled by the site)" in disabled
    document = json.loads(SHIPPED_MANIFEST.read_text("utf-8"))
    for service in document["services"]:
        service["rules"].remove("calcium-total-daily")
    file = tmp_path / "unlisted.json"
    file.write_text(json.dumps(document), "utf-8")
    assert re.search(r"\| `calcium-total-daily` .* no: not listed \|", called(CDS_MANIFEST=str(file)).output)


def test_a_sites_own_value_stands_beside_the_shipped_one(tmp_path: Path) -> None:
    own = {"rule": "calcium-total-daily", "parameter": "limit_mg", "value": 1800, "from": "2026-12-01"}
    file = manifest(tmp_path, parameters=[{**own, "reason": "decision", "approvedBy": "committee"}])
    said = "2,000 mg/day; the site's own: 1,800 mg/day from 2026-12-01"
    assert said in called(CDS_MANIFEST=file).output
    assert said in called("calcium-total-daily", CDS_MANIFEST=file).output


def test_data_that_the_site_does_not_have_is_named(tmp_path: Path) -> None:
    absent = [{"key": "dietary-calcium", "reason": "not recorded", "approvedBy": "committee"}]
    text = called("calcium-total-daily", CDS_MANIFEST=manifest(tmp_path, notOffered=absent)).output
    assert "| Not checked at this site | recorded diet |" in text
    assert "Not checked at this site" not in called("calcium-total-daily").output


def test_test_patients_are_counted_by_rule_and_by_expected_outcome(tmp_path: Path) -> None:
    (tmp_path / "calcium-total-daily").mkdir()
    for name, outcomes in (("one", ["over-limit"]), ("two", ["over-limit", "possible-over"]), ("three", [])):
        findings = [{"rule": "calcium-total-daily", "outcome": outcome} for outcome in outcomes]
        (tmp_path / "calcium-total-daily" / f"{name}.json").write_text(json.dumps({"expect": {"findings": findings}}))
    register = Register.of(REGISTER.catalogue, tmp_path)
    assert register.vignette_count("calcium-total-daily") == 3
    assert register.vignette_count("calcium-total-daily", ("over-limit",)) == 2
    assert register.vignette_count("calcium-total-daily", ("over-limit", "possible-over")) == 3
    assert register.vignette_count("iv-bisphosphonate-vitamin-d") == 0
    assert Register(REGISTER.catalogue, REGISTER.trace).vignette_count("calcium-total-daily") is None
    assert called("--vignettes", str(tmp_path)).exit_code == 0
    assert called("--vignettes", str(tmp_path / "nowhere")).exit_code == 2


def test_the_vignettes_of_the_checkout_are_found() -> None:
    assert REGISTER.vignettes == Vignettes.read(Path(__file__).parent.parent / "fixtures" / "vignettes")


# -- what is printed --------------------------------------------------------------------------------------------------


def pages() -> Iterator[tuple[str, ...]]:
    yield ()
    yield ("--cards",)
    for id_ in REGISTER:
        yield (id_,)


@pytest.mark.parametrize("arguments", list(pages()), ids=" ".join)
def test_every_page_is_sound_markdown_and_json(arguments: tuple[str, ...]) -> None:
    printed = called(*arguments)
    assert printed.exit_code == 0, printed.output
    assert printed.output.startswith("# ")
    for table in tables(printed.output):
        assert len({row.count("</t") for row in table}) == 1, table
    assert json.loads(called(*arguments, "--json").output)


def tables(text: str) -> list[list[str]]:
    """The rows of every table as HTML; a cell that breaks its row makes a row of another length."""
    html = MarkdownIt("commonmark").enable("table").render(text)
    found = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    rows = [[" ".join(row.split()) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)] for table in found]
    assert len(found) == len(re.findall(r"^(?:> )?\| ---", text, re.MULTILINE))
    return rows


def test_an_unknown_rule_is_an_error_that_lists_the_known_ones() -> None:
    for arguments in (("calcium-totals",), ("--cards", "calcium-totals")):
        result = called(*arguments)
        assert result.exit_code == 1
        assert "there is no rule 'calcium-totals'; known: " in result.output
        assert "calcium-total-daily" in result.output
    assert called("--cards", "vitamin-d-status").exit_code == 1, "what facts share has no cards"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_in_full_has_everything_its_knowledge_says(rule: str) -> None:
    known = REGISTER.rules[rule].knowledge
    text = reading.markdown(reading.document(REGISTER, rule), REGISTER)
    flat = text.replace("\\|", "|")
    assert known.title in text
    assert known.description in text
    for evidence in known.evidence.values():
        assert evidence.citation in text
        assert evidence.url in text
    for parameter in known.parameters.values():
        assert f"| `{parameter.name}` |" in text
        assert parameter.description in flat
    for cases in known.outcomes.values():
        for words in cases.values():
            assert words.summary in text
            assert words.short in text
            for line in words.detail:
                assert (line if isinstance(line, str) else line.get("text", "")) in text
            for suggestion in words.suggestions:
                assert REGISTER.catalogue.composer.suggestions.label(suggestion["name"]) in text
    for point in known.contested:
        assert REGISTER.catalogue.contested[point].sources in text


@pytest.mark.parametrize("rule", RULES)
def test_words_told_before_are_referred_to_only_where_they_are_the_same(rule: str) -> None:
    document = reading.document(REGISTER, rule)
    words = {
        (w["outcome"], w["case"]): [
            w[part] for part in ("summary", "short", "detail", "suggestions", "overrideReasons")
        ]
        for w in document["outcomes"]
    }
    text = reading.markdown(document, REGISTER)
    name = r"`([a-z0-9-]+)`(?:, case `([a-z0-9-]+)`)?"
    heading = rf"^#+ {name}: .*\n\nIn the words of {name}\.$"
    for outcome, case, as_outcome, as_case in re.findall(heading, text, re.MULTILINE):
        assert words[outcome, case] == words[as_outcome, as_case]


# -- sample cards -----------------------------------------------------------------------------------------------------


def recorded(rule: str) -> Mapping[tuple[str, str], Sample]:
    return {(sample.outcome, sample.case): sample for sample in samples.samples(rule, FHIR)}


@pytest.mark.parametrize("rule", RULES)
def test_every_outcome_and_case_has_a_sample(rule: str) -> None:
    """An outcome that is never told but in one of its cases needs none for itself."""
    found = recorded(rule)
    for outcome, cases in REGISTER.rules[rule].knowledge.outcomes.items():
        for case in cases:
            told_in_a_case = not case and any(of == outcome for of, _ in found)
            assert (outcome, case) in found or told_in_a_case, f"run `make trace`: {outcome}/{case}"


@pytest.mark.parametrize("rule", RULES)
def test_every_sample_is_a_card_that_could_leave_the_service(rule: str) -> None:
    entry = REGISTER.rules[rule]
    for sample in recorded(rule).values():
        card, short = samples.card(REGISTER, entry, sample)
        schemas.check({"cards": [card.to_json()]}, "response")
        assert len(card.summary) <= SUMMARY_LENGTH
        assert "{" not in card.summary + card.detail + short
        for suggestion in card.suggestions:
            assert not [a for a in suggestion.actions if a.resource is not None and FHIR.validate(a.resource)]


@pytest.mark.parametrize("rule", RULES)
def test_the_samples_are_what_the_vignettes_give_today(rule: str) -> None:
    text = (samples.FOLDER / f"{rule}.json").read_text("utf-8")
    kept = json.loads(text)["samples"]
    made = [recorder.again(rule, sample) for sample in kept]
    assert text == recorder.in_lines([one for one in made if one is not None]), "run `make trace`"


def test_no_sample_is_of_a_rule_that_does_not_exist() -> None:
    assert {file.stem for file in samples.FOLDER.glob("*.json")} <= set(RULES)


def test_a_printed_sample_is_marked_as_one_and_shows_the_card_its_offers_and_reasons() -> None:
    text = called("--cards", "iv-bisphosphonate-vitamin-d").output
    shown = text.split("### Sample: `deficient`, critical\n")[1].split("### ")[0]
    assert "is deficient: correct vitamin D before" in shown
    assert "(recommended)" in shown
    assert "Override: " in shown
    assert "On a card with others: 25(OH)D" in shown


def test_words_that_a_sample_cannot_fill_are_an_error_and_no_quiet_card() -> None:
    entry = REGISTER.rules["calcium-total-daily"]
    sample = recorded("calcium-total-daily")["over-limit", ""]
    empty = dataclasses.replace(sample, values={})
    with pytest.raises(BrokenSample):
        samples.card(REGISTER, entry, empty)


def test_a_site_that_chooses_how_loud_a_card_is_sees_it_so(tmp_path: Path) -> None:
    own = {"rule": "iv-bisphosphonate-vitamin-d", "parameter": "unknown_indicator", "value": "critical"}
    own |= {"from": "2026-01-01", "reason": "decision", "approvedBy": "committee"}
    text = called("--cards", "iv-bisphosphonate-vitamin-d", CDS_MANIFEST=manifest(tmp_path, parameters=[own])).output
    assert "### Sample: `unknown`, critical" in text
