"""One rule as a reviewer reads it: when it speaks, what it says, its numbers, its sources, where these disagree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..knowledge import Knowledge, Line
from .markdown import code, day, table, value
from .overview import number, values
from .register import Entry, Json, Register

# Which numbers the facts behind a requirement rest on.
_SHARED = {
    "vitamin-d": "vitamin-d-status",
    "serum-calcium": "serum-calcium",
    "dietary-calcium": "calcium-intake",
    "renal": "renal-function",
    "pth": "laboratory-results",
    "phosphate": "laboratory-results",
    "urine-calcium": "laboratory-results",
}

_WORDS = ("summary", "short", "detail", "suggestions", "overrideReasons", "evidence")


def document(register: Register, rule: str) -> Json:
    """A rule, or what facts share, as one document for machines."""
    entry = register.entry(rule)
    known = entry.knowledge
    return {
        "id": known.id,
        "title": known.title,
        "description": known.description,
        "version": known.version,
        "status": known.status,
        "approvalDate": day(known.approval_date),
        "lastReviewDate": day(known.last_review_date),
        "nextReviewDate": day(known.next_review_date),
        "state": entry.state,
        "hooks": list(entry.hooks),
        "judges": list(entry.rule.about) if entry.rule else [],
        "reads": list(register.reads(entry)),
        "notOffered": list(register.not_offered(entry)),
        "uses": sorted(entry.rule.uses) if entry.rule else [],
        "paragraphs": {name: _plain(line) for name, line in known.paragraphs.items()},
        "outcomes": [
            _wording(register, entry, outcome, case) for outcome, cases in known.outcomes.items() for case in cases
        ],
        "numbers": [number(register, known.id, name) for name in known.parameters],
        "sharedNumbers": sorted({_SHARED[r.key] for r in entry.rule.requires if r.key in _SHARED})
        if entry.rule
        else [],
        "contested": [
            {"id": point.id, "about": point.about, "sources": point.sources, "here": point.here}
            for point in (register.catalogue.contested[id_] for id_ in known.contested)
        ],
        "sources": [{"label": e.label, "citation": e.citation, "url": e.url} for e in known.evidence.values()],
        "statements": [
            {"id": row.id, "says": row.says, "outcomes": list(row.rules[known.id])}
            for row in register.trace.rows
            if known.id in row.rules
        ],
        "vignettes": register.vignette_count(known.id) if entry.rule else None,
        "sourceAttributes": register.source_attributes(entry),
    }


def _wording(register: Register, entry: Entry, outcome: str, case: str) -> Json:
    known = entry.knowledge
    words = known.outcomes[outcome][case]
    catalog = register.catalogue.composer.suggestions
    return {
        "outcome": outcome,
        "case": case,
        "indicator": words.indicator or {"parameter": words.indicator_parameter},
        "summary": words.summary,
        "short": words.short,
        "detail": [_named(line, known) for line in words.detail],
        "suggestions": [{**offer, "label": catalog.label(offer["name"])} for offer in words.suggestions],
        "overrideReasons": [reason.display for reason in catalog.override_reasons(words.override_reasons)],
        "evidence": [known.evidence[id_].label for id_ in words.evidence],
    }


def _named(line: Line, known: Knowledge) -> Any:
    """A line of a detail, by its name where it is a paragraph."""
    name = next((name for name, paragraph in known.paragraphs.items() if paragraph is line), "")
    return {"paragraph": name} if name else _plain(line)


def _plain(line: Line) -> Any:
    return line if isinstance(line, str) else dict(line)


def markdown(document: Mapping[str, Any], register: Register) -> str:
    """The same for people."""
    return "\n\n".join(_parts(document, register)) + "\n"


def _parts(document: Mapping[str, Any], register: Register) -> Iterator[str]:
    yield f"# {document['title']}"
    review = f"approved {document['approvalDate']}, last reviewed {document['lastReviewDate']}"
    due = f", next review {document['nextReviewDate']}" if document["nextReviewDate"] else ""
    yield f"{code(document['id'])} {document['version']}, {document['status']}; {review}{due}."
    if document["description"]:
        yield document["description"]
    if document["outcomes"]:
        yield table(("", ""), _circumstances(document))
        yield "## What it says"
        yield (
            "Names in braces are filled from the record; the details name sentences that stand below. "
            f"Filled cards: `cds-service knowledge --cards {document['id']}`."
        )
        yield from _outcomes(document["outcomes"])
        yield "### Sentences of the details"
        yield "\n".join(f"- {code(name)}: {_line(line)}" for name, line in document["paragraphs"].items())
    yield from _numbers(document)
    yield "## Where sources disagree"
    if document["contested"]:
        rows = ([p["id"], p["about"], p["sources"], p["here"]] for p in document["contested"])
        yield table(("", "About", "The sources", "Here"), rows)
    else:
        yield "No contested point is noted."
    yield "## Sources"
    yield "\n".join(
        f"- **{s['label']}**: {s['citation']}" + (f" <{s['url']}>" if s["url"] else "") for s in document["sources"]
    )
    if document["statements"]:
        yield "## Statements it carries"
        rows = (
            [s["id"], s["says"], ", ".join(map(code, s["outcomes"])) or "every outcome"] for s in document["statements"]
        )
        yield table(("#", "Statement", "By"), rows)
    if document["outcomes"]:
        yield "## Source attributes"
        yield table(("Attribute", ""), _attributes(document, register))


def _circumstances(document: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["In service", ", ".join(document["hooks"]) or f"no: {document['state']}"]
    yield ["Judges orders of", ", ".join(document["judges"])]
    yield ["Reads", ", ".join(document["reads"])]
    if document["notOffered"]:
        yield ["Not checked at this site", ", ".join(document["notOffered"])]
    yield ["Uses of the patient", ", ".join(document["uses"]) or "nothing"]
    if document["vignettes"] is not None:
        yield ["Vignettes", str(document["vignettes"])]


def _outcomes(outcomes: Iterable[Json]) -> Iterator[str]:
    """Each outcome in full, and of each case what differs from it; what was said before is only referred to."""
    base: Json = {}
    told: list[tuple[Json, str]] = []
    for words in outcomes:
        case = words["case"]
        name = code(words["outcome"]) + (f", case {code(case)}" if case else "")
        full = {part: content for part, content in words.items() if part in _WORDS}
        same = next((earlier for content, earlier in told if content == full), "")
        told.append((full, same or name))
        base = full if not case else base
        own = {part: content for part, content in full.items() if not case or content != base[part]}
        yield f"{'####' if case else '###'} {name}: {_loudness(words)}"
        yield f"In the words of {same}." if same else "\n\n".join(_words(own))


def _loudness(words: Mapping[str, Any]) -> str:
    indicator = words["indicator"]
    return indicator if isinstance(indicator, str) else f"as {code(indicator['parameter'])} says"


def _words(words: Mapping[str, Any]) -> Iterator[str]:
    if "summary" in words:
        yield f"> {words['summary']}"
    if words.get("short"):
        yield f"On a card with others: {words['short']}."
    if "detail" in words:
        yield "Detail:\n\n" + _detail(words["detail"])
    if "suggestions" in words:
        offers = "; ".join(map(_offer, words["suggestions"]))
        yield f"Offers: {offers or 'nothing'}."
    if "overrideReasons" in words:
        yield f"Reasons to override: {'; '.join(words['overrideReasons'])}."
    if "evidence" in words:
        yield f"Rests on: {'; '.join(words['evidence'])}."


def _detail(lines: Iterable[Any]) -> str:
    """The lines of a detail: a run of paragraphs by their names, other lines as they are."""
    told: list[str] = []
    run: list[str] = []
    for line in lines:
        if isinstance(line, Mapping) and "paragraph" in line:
            run.append(code(line["paragraph"]))
            continue
        told += [", ".join(run)] if run else []
        told.append(_line(line))
        run = []
    told += [", ".join(run)] if run else []
    return "\n".join(f"- {line}" for line in told)


def _line(line: Any) -> str:
    if isinstance(line, str):
        return line
    when = _condition(line)
    if "table" in line:
        columns = ", ".join(f"{name} ({code(cell)})" for name, cell in line["columns"].items())
        return f"{when}*A table of {code(line['table'])}:* {columns}"
    if "each" in line:
        return f"{when}*For each of {code(line['each'])}:* {line['text']}"
    return f"{when}{line['text']}"


def _condition(line: Mapping[str, Any]) -> str:
    """In italics, when a line is shown."""
    said = _when(line)
    return f"*{said[0].upper()}{said[1:]}:* " if said else ""


def _when(line: Mapping[str, Any]) -> str:
    when, unless = _names(line.get("when")), _names(line.get("unless"))
    said = [f"if {' and '.join(when)}"] if when else []
    said += [f"unless {' or '.join(unless)}"] if unless else []
    return ", ".join(said)


def _names(paths: Any) -> list[str]:
    return [code(path) for path in ([paths] if isinstance(paths, str) else paths or ())]


def _offer(suggestion: Mapping[str, Any]) -> str:
    best = " (recommended)" if suggestion.get("recommended") else ""
    when = _when(suggestion)
    return f"**{suggestion['label']}**{best}" + (f" {when}" if when else "")


def _numbers(document: Mapping[str, Any]) -> Iterator[str]:
    yield "## Numbers"
    if document["numbers"]:
        columns = ("Name", "Meaning", "Value", "Allowed", "Evidence")
        yield table(columns, (_number(n) for n in document["numbers"]))
    else:
        yield "None of its own."
    if document["sharedNumbers"]:
        yield (
            "Shared with other rules, each to be read in the same way: "
            + ", ".join(map(code, document["sharedNumbers"]))
            + "."
        )


def _number(parameter: Mapping[str, Any]) -> list[str]:
    return [
        code(parameter["parameter"]),
        parameter["description"],
        values(parameter),
        ", ".join(value(choice, parameter["unit"]) for choice in parameter["allowed"]),
        "; ".join(dict.fromkeys(dated["evidence"] for dated in parameter["values"])),
    ]


def _attributes(document: Mapping[str, Any], register: Register) -> Iterator[list[str]]:
    said = document["sourceAttributes"]
    yield ["Citation", "See sources."]
    yield ["Developer", said["developer"]]
    yield ["Funding of the intervention", said["funding"]]
    yield ["Release and revision dates", said["dates"]]
    for id_, attribute in register.attributes["patient"].items():
        yield [attribute["name"], said[id_]]
