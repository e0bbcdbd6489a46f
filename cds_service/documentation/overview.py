"""The trace table and the table of rules: everything the service knows, at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..knowledge import Evidence
from .markdown import code, day, plain, table, value
from .register import Entry, Json, Register
from .trace import Row

_STATEMENT = ("#", "The guideline says", "Rule", "Outcomes", "Numbers", "Source of the cards", "Vignettes")
_BEYOND = ("#", "Subject", "Rests on", "Rule", "Outcomes", "Numbers", "Vignettes")


def document(register: Register, rule: str = "") -> Json:
    """Trace and rules as one document for machines."""
    return {
        "guideline": register.trace.guideline,
        "statements": [_statement(register, row) for row in register.trace.statements],
        "beyond": [_statement(register, row) for row in register.trace.beyond],
        "rules": [_rule(register, entry) for entry in register.rules.values()],
        "shared": [_dates(entry) for entry in register.shared.values()],
        "sources": _sources(register),
        "problems": list(register.problems),
    }


def _statement(register: Register, row: Row) -> Json:
    return {
        "id": row.id,
        "says": row.says,
        "carriedBy": [_carrier(register, rule, outcomes) for rule, outcomes in row.rules.items()],
        "numbers": [number(register, of, name) for of, names in row.numbers.items() for name in names],
        **({"excluded": row.excluded} if row.excluded else {}),
        **({"source": row.source} if row.source else {}),
    }


def _carrier(register: Register, rule: str, outcomes: tuple[str, ...]) -> Json:
    entry = register.rules.get(rule)
    if entry is None:
        return {"rule": rule, "outcomes": list(outcomes), "state": "there is no such rule", "sources": []}
    known = entry.knowledge
    named = [outcome for outcome in outcomes or known.outcomes if outcome in known.outcomes]
    wordings = [words for outcome in named for words in known.outcomes[outcome].values()]
    evidence = (id_ for words in wordings for id_ in words.evidence)
    return {
        "rule": rule,
        "outcomes": list(outcomes),
        "state": entry.state,
        "sources": [known.evidence[id_].label for id_ in dict.fromkeys(words.evidence[0] for words in wordings)],
        "evidence": [known.evidence[id_].label for id_ in dict.fromkeys(evidence)],
        "vignettes": register.vignette_count(rule, tuple(named)),
    }


def number(register: Register, of: str, name: str) -> Json:
    """A parameter with all its values, the site's own too; only its name where it does not exist."""
    parameter = register.parameter(of, name)
    if parameter is None:
        return {"of": of, "parameter": name, "values": [], "site": []}
    evidence = register.catalogue.knowledge[of].evidence
    return {
        "of": of,
        "parameter": name,
        "description": parameter.description,
        "unit": parameter.unit,
        "values": [
            {"value": plain(v.value), "from": day(v.since), "evidence": evidence[v.evidence].label}
            for v in parameter.values
        ],
        "allowed": list(parameter.allowed),
        "site": [{"value": plain(v.value), "from": day(v.since)} for v in register.site_values(of, name)],
    }


def _rule(register: Register, entry: Entry) -> Json:
    assert entry.rule is not None  # noqa: S101  # the caller gives rules only
    return {
        **_dates(entry),
        "state": entry.state,
        "hooks": list(entry.hooks),
        "judges": list(entry.rule.about),
        "reads": list(register.reads(entry)),
        "uses": sorted(entry.rule.uses),
        "contested": list(entry.knowledge.contested),
        "vignettes": register.vignette_count(entry.rule.id),
        "sourceAttributes": register.source_attributes(entry),
    }


def _dates(entry: Entry) -> Json:
    known = entry.knowledge
    return {
        "id": known.id,
        "title": known.title,
        "version": known.version,
        "status": known.status,
        "approvalDate": day(known.approval_date),
        "lastReviewDate": day(known.last_review_date),
        "nextReviewDate": day(known.next_review_date),
    }


def _sources(register: Register) -> list[Json]:
    """Every source once, with its shortest citation and the knowledge that rests on it."""
    found: dict[str, tuple[list[Evidence], list[str]]] = {}
    for entry in (*register.rules.values(), *register.shared.values()):
        for source in entry.knowledge.evidence.values():
            same, users = found.setdefault(source.url or source.label, ([], []))
            same.append(source)
            users.append(entry.knowledge.id)
    sources = [(min(same, key=lambda e: len(e.citation)), users) for same, users in found.values()]
    return [
        {"label": e.label, "citation": e.citation, "url": e.url, "usedBy": list(dict.fromkeys(users))}
        for e, users in sorted(sources, key=lambda s: s[0].label.casefold())
    ]


def markdown(document: Mapping[str, Any], register: Register) -> str:
    """The same for people."""
    return "\n\n".join(_parts(document, register)) + "\n"


def _parts(document: Mapping[str, Any], register: Register) -> Iterator[str]:
    yield "# From the guideline to the cards"
    yield document["guideline"]
    yield (
        "A line without number continues the statement above it. The vignettes counted are the test patients of whom "
        "one of the outcomes is expected."
    )
    yield table(_STATEMENT, _lines(document["statements"]))
    yield "## Beyond the guideline"
    yield table(_BEYOND, _lines(document["beyond"]))
    if document["problems"]:
        yield "## Where trace and rules do not fit"
        yield "\n".join(f"- {problem}" for problem in document["problems"])
    yield "# Rules"
    yield "In the order in which their cards are told. One in full: `cds-service knowledge RULE`."
    yield table(*_rule_table(document["rules"]))
    yield "Numbers that rules share:"
    review = ("Version", "Status", "Approved", "Reviewed", "Next review")
    yield table(("Knowledge", "About", *review), ([code(k["id"]), k["title"], *_review(k)] for k in document["shared"]))
    yield "# Source attributes"
    yield "The thirteen of 45 CFR 170.315(b)(11). What differs from rule to rule stands in the table of rules."
    yield table(("Attribute", "Of every rule"), _attributes(register))
    yield "# Sources"
    yield table(("Source", "Citation", "Used by"), (_source(source) for source in document["sources"]))


def _lines(statements: list[Json]) -> Iterator[list[str]]:
    """A row for each rule that carries a statement; the statement, and what is shared, only in the first of them."""
    for statement in statements:
        beyond = "source" in statement
        start = [statement["id"], statement["says"], *([statement["source"]] if beyond else [])]
        rules = [carrier["rule"] for carrier in statement["carriedBy"]]
        for carrier in statement["carriedBy"]:
            rule = carrier["rule"]
            own = [n for n in statement["numbers"] if n["of"] == rule or (start[0] and n["of"] not in rules)]
            yield [
                *start,
                code(rule) + ("" if carrier["state"] == "in service" else f" ({carrier['state']})"),
                ", ".join(map(code, carrier["outcomes"])) or "every outcome",
                "; ".join(f"{code(n['parameter'])} {values(n)}" for n in own),
                *([] if beyond else ["; ".join(carrier["sources"])]),
                _count(carrier.get("vignettes")),
            ]
            start = [""] * len(start)
        if statement.get("excluded"):
            yield [*start, "not carried", statement["excluded"], "", "", ""]


def values(document: Mapping[str, Any]) -> str:
    """The values of a parameter in one line: the first, later ones with their day, the site's own."""
    unit = document.get("unit", "")
    said = [
        value(dated["value"], unit) + (f" from {dated['from']}" if index else "")
        for index, dated in enumerate(document["values"])
    ]
    said += [f"the site's own: {value(dated['value'], unit)} from {dated['from']}" for dated in document["site"]]
    return "; ".join(said)


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _rule_table(rules: list[Json]) -> tuple[tuple[str, ...], Iterator[list[str]]]:
    columns = ("Rule", "About", "Version", "Status", "Approved", "Reviewed", "Next review", "In service", "Uses")
    return (*columns, "Diagnoses", "Vignettes"), (
        [
            code(rule["id"]),
            rule["title"],
            *_review(rule),
            ", ".join(rule["hooks"]) or f"no: {rule['state']}",
            ", ".join(rule["uses"]),
            "read" if "problem list" in rule["reads"] else "",
            _count(rule["vignettes"]),
        ]
        for rule in rules
    )


def _review(document: Mapping[str, Any]) -> list[str]:
    return [document[name] for name in ("version", "status", "approvalDate", "lastReviewDate", "nextReviewDate")]


def _attributes(register: Register) -> Iterator[list[str]]:
    words = register.attributes
    yield ["Citation", words["citation"]]
    yield ["Developer", words["developer"]]
    yield ["Funding of the intervention", words["funding"]]
    yield ["Release and revision dates", "Approved, reviewed and next review, in the table of rules."]
    for attribute in words["patient"].values():
        yield [attribute["name"], f"By rule. {attribute['then']}" if "then" in attribute else attribute["otherwise"]]


def _source(source: Mapping[str, Any]) -> list[str]:
    name = f"[{source['label']}]({source['url']})" if source["url"] else source["label"]
    return [name, source["citation"], ", ".join(map(code, source["usedBy"]))]
