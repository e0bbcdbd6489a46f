"""A small CDS Client: reads discovery, answers our prefetch templates from a chart, and calls the service over HTTP."""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from flask.testing import FlaskClient

from cds_service.catalogue import Catalogue
from cds_service.config import Config
from cds_service.manifest import SHIPPED_MANIFEST, build, load_catalogue
from cds_service.web import create_app

from .vignettes import NOW, ZONE, Vignette

Json = dict[str, Any]
Site = Mapping[str, Mapping[str, Any]]
Dress = Callable[[Json], Json]

BASE = "https://ehr.example/fhir"
FINDINGS = "org.bone-health-cds.findings"

# What a client can be relied on to understand: everything else in a template is an error, so that it is seen here.
_SORTS = {
    "Observation": "-date",
    "MedicationRequest": "-authoredon",
    "MedicationStatement": "-effective",
    "Condition": "-recorded-date",
    "ServiceRequest": "-authored",
}
_INCLUDES = {"MedicationRequest:medication", "MedicationStatement:medication"}
_TOKEN = re.compile(r"\{\{context\.(\w+)\}\}")
_PATIENT_REFERENCES = ("subject", "patient")
_TYPES_SEARCHED = {*_SORTS, "Procedure"}


class TemplateError(AssertionError):
    """A prefetch template that an EHR could not be expected to answer."""


@dataclass(frozen=True)
class Response:
    """What came back from one service: HTTP status and body, with the cards and findings picked out."""

    service: str
    request: Json
    status: int
    body: Json

    @property
    def cards(self) -> list[Json]:
        """The cards, or none where the answer is an error."""
        cards: list[Json] = self.body.get("cards", [])
        return cards

    @property
    def findings(self) -> list[Json]:
        """Every card's findings: ``{"ruleId", "outcome", "indicator", "orderId"?}``."""
        return [finding for card in self.cards for finding in findings(card)]

    @property
    def actions(self) -> list[Json]:
        """Every action of every suggestion."""
        return [action for card in self.cards for action in actions(card)]


def findings(card: Json) -> list[Json]:
    """The findings one card is made of."""
    found: list[Json] = card.get("extension", {}).get(FINDINGS, [])
    return found


def actions(card: Json) -> list[Json]:
    """The actions of all suggestions of one card."""
    return [action for suggestion in card.get("suggestions", []) for action in suggestion.get("actions", [])]


def words(card: Json) -> str:
    """Everything a clinician can read on a card: summary, detail, suggestions and their actions."""
    suggestions = card.get("suggestions", [])
    parts = [card["summary"], card.get("detail", "")]
    parts += [suggestion["label"] for suggestion in suggestions]
    parts += [action.get("description", "") for action in actions(card)]
    return " ".join(parts)


class Ehr:
    """The EHR: one client of the service, with the services it discovered."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    @cached_property
    def services(self) -> list[Json]:
        """What discovery lists."""
        response = self.client.get("/cds-services")
        assert response.status_code == 200, response.get_data(as_text=True)
        services: list[Json] = response.get_json()["services"]
        return services

    def call(self, vignette: Vignette, dress: Dress | None = None) -> list[Response]:
        """Calls every service of the vignette's hook, as an EHR does when the hook fires."""
        services = [service for service in self.services if service["hook"] == vignette.hook]
        assert services, f"no service is offered for {vignette.hook}"
        return [self.post(service, request(service, vignette), dress) for service in services]

    def post(self, service: Json, body: Json, dress: Dress | None = None) -> Response:
        """Posts one request, dressed if asked for."""
        sent = dress(body) if dress else body
        answer = self.client.post(
            f"/cds-services/{service['id']}", data=json.dumps(sent), content_type="application/json"
        )
        return Response(service["id"], sent, answer.status_code, answer.get_json())


def run(vignette: Vignette, dress: Dress | None = None, site: Site | None = None) -> list[Response]:
    """One vignette through HTTP; ``site`` overrides values of a hospital's own: ``{"rule": {"parameter": value}}``.

    Values given here win over those of the vignette itself.
    """
    values = {rule: dict(parameters) for rule, parameters in vignette.site.items()}
    for rule, parameters in (site or {}).items():
        values.setdefault(rule, {}).update(parameters)
    return hospital(json.dumps(values, sort_keys=True), vignette.enable).call(vignette, dress)


def said(vignette: Vignette, site: Site | None = None) -> frozenset[tuple[str, str, str, str]]:
    """What a vignette leads to: (rule, outcome, indicator, order or "") of every finding."""
    return frozenset(
        (finding["ruleId"], finding["outcome"], finding["indicator"], finding.get("orderId", ""))
        for response in run(vignette, site=site)
        for finding in response.findings
    )


@lru_cache(maxsize=32)
def hospital(site: str = "{}", enable: frozenset[str] = frozenset()) -> Ehr:
    """An EHR whose service runs with the shipped manifest and these site values (JSON), at the moment of the tests.

    ``enable`` are rules that are switched off in the manifest and on here.
    """
    return Ehr(
        create_app(
            Config(timezone=ZONE, auth="off"), catalogue_with(json.loads(site), enable), lambda: NOW
        ).test_client()
    )


def catalogue_with(site: Site, enable: frozenset[str] = frozenset()) -> Catalogue:
    """The shipped catalogue, with a hospital's own values in place of the shipped ones, and rules switched on."""
    return _catalogue(json.dumps(site, sort_keys=True), enable)


# To build one takes a second, as it checks all knowledge anew; nobody changes it afterwards.
@lru_cache(maxsize=32)
def _catalogue(site: str, enable: frozenset[str]) -> Catalogue:
    values: Site = json.loads(site)
    if not values and not enable:
        return load_catalogue()
    manifest = json.loads(SHIPPED_MANIFEST.read_text(encoding="utf-8"))
    disabled = manifest["site"]["disabledRules"]
    assert enable <= set(disabled), f"not switched off in the manifest: {', '.join(sorted(enable - set(disabled)))}"
    manifest["site"]["disabledRules"] = [rule for rule in disabled if rule not in enable]
    manifest["site"]["parameters"] += [
        {
            "rule": rule,
            "parameter": parameter,
            "value": value,
            "reason": "the hospital's own value",
            "approvedBy": "its committee",
            "from": "2026-01-01",
        }
        for rule, parameters in values.items()
        for parameter, value in parameters.items()
    ]
    return build(json.loads(json.dumps(manifest), parse_float=Decimal))


@lru_cache(maxsize=8)
def only(*rules: str) -> Catalogue:
    """A catalogue whose services have these rules and no other: for what is true of every rule, shown on a few."""
    manifest = json.loads(SHIPPED_MANIFEST.read_text(encoding="utf-8"))
    for service in manifest["services"]:
        service["rules"] = [rule for rule in service["rules"] if rule in rules]
    manifest["services"] = [service for service in manifest["services"] if service["rules"]]
    return build(json.loads(json.dumps(manifest), parse_float=Decimal))


def request(service: Json, vignette: Vignette) -> Json:
    """The CDS Hooks request for one service: context from the orders, prefetch from the chart."""
    patient = next(resource for resource in vignette.chart if resource["resourceType"] == "Patient")
    context: Json = {"userId": "Practitioner/dr-1", "patientId": patient["id"], "encounterId": "visit-1"}
    if vignette.hook != "patient-view":
        context["draftOrders"] = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": copy.deepcopy(order)} for order in vignette.orders],
        }
    if vignette.hook == "order-select":
        named = {order["id"]: f"{order['resourceType']}/{order['id']}" for order in vignette.orders}
        chosen = vignette.selections if vignette.selections is not None else tuple(named)
        context["selections"] = [named.get(selection, selection) for selection in chosen]
    return {
        "hook": vignette.hook,
        "hookInstance": str(uuid.uuid4()),
        "fhirServer": BASE,
        "context": context,
        "prefetch": prefetch(service.get("prefetch", {}), vignette, context),
    }


def prefetch(templates: Mapping[str, str], vignette: Vignette, context: Json) -> Json:
    """Every template's answer from the chart, less what is withheld, with failures and strays as the vignette says."""
    sent: Json = {}
    for key, template in templates.items():
        if key in vignette.withhold:
            continue
        if key in vignette.failed:
            sent[key] = failure("The search did not end in time.")
        elif (answer := search(template, vignette.chart, context)) is not None:
            for stray in vignette.unasked.get(key, ()):
                answer["entry"] = [*answer.get("entry", []), _entry(stray)]
                answer["total"] = answer.get("total", 0) + 1
            sent[key] = answer
    return sent


def failure(text: str) -> Json:
    """What an EHR puts where a prefetch query failed."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "timeout", "diagnostics": text}],
    }


def search(template: str, chart: Iterable[Json], context: Json) -> Json | None:
    """One prefetch template answered as a strict FHIR server would: a resource, a searchset, or None for a 404."""
    resolved = _TOKEN.sub(lambda found: str(_context(found.group(1), context, template)), template)
    if "{" in resolved or "}" in resolved:
        raise TemplateError(f"{template}: only {{{{context.…}}}} tokens are understood by every client")
    parts = urlsplit(resolved)
    kind, _, identifier = parts.path.partition("/")
    resources = list(chart)
    if identifier:
        if parts.query:
            raise TemplateError(f"{template}: a read takes no parameters")
        return copy.deepcopy(next((r for r in resources if r["resourceType"] == kind and r["id"] == identifier), None))
    if kind not in _TYPES_SEARCHED:
        raise TemplateError(f"{template}: {kind} is not searched in this EHR")
    return _searchset(template, kind, _parameters(template, parts.query), resources)


def _context(name: str, context: Json, template: str) -> str:
    if not isinstance(value := context.get(name), str):
        raise TemplateError(f"{template}: {name} is no text in the hook's context")
    return value


def _parameters(template: str, query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise TemplateError(f"{template}: a parameter given twice is read as an alternative by some clients")
    return {name: unquote(value) for name, value in pairs}


def _searchset(template: str, kind: str, parameters: dict[str, str], resources: list[Json]) -> Json:
    if "patient" not in parameters:
        raise TemplateError(f"{template}: a search must be limited to the patient")
    found = [resource for resource in resources if resource["resourceType"] == kind]
    for name, value in parameters.items():
        if name == "patient":
            owner = f"Patient/{value.removeprefix('Patient/')}"
            found = [resource for resource in found if _patient(resource) == owner]
        elif name == "code":
            wanted = [_token(item, template) for item in value.split(",")]
            found = [resource for resource in found if _codes(resource) & set(wanted)]
        elif name == "status":
            found = [resource for resource in found if resource.get("status") in value.split(",")]
        elif not (
            (name == "_sort" and value == _SORTS.get(kind))
            or (name == "_count" and value.isdigit() and int(value) > 0)
            or (name == "_include" and value in _INCLUDES and value.startswith(f"{kind}:"))
        ):
            raise TemplateError(f"{template}: {name}={value} is outside what every client understands")
    if "_sort" in parameters:
        found.sort(key=_when, reverse=True)
    return _page(found, parameters, resources)


def _page(found: list[Json], parameters: dict[str, str], resources: list[Json]) -> Json:
    shown = found[: int(parameters["_count"])] if "_count" in parameters else found
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    if len(shown) < len(found):
        bundle["link"] = [{"relation": "next", "url": f"{BASE}?page=2"}]
    entries = [_entry(resource) for resource in shown]
    if "_include" in parameters:
        named = {resource.get("medicationReference", {}).get("reference") for resource in shown}
        entries += [
            _entry(resource, "include")
            for resource in resources
            if resource["resourceType"] == "Medication" and f"Medication/{resource['id']}" in named
        ]
    return {**bundle, "entry": entries} if entries else bundle


def _entry(resource: Json, mode: str = "match") -> Json:
    return {
        "fullUrl": f"{BASE}/{resource['resourceType']}/{resource['id']}",
        "resource": copy.deepcopy(resource),
        "search": {"mode": mode},
    }


def _patient(resource: Json) -> str:
    return next((resource[name]["reference"] for name in _PATIENT_REFERENCES if name in resource), "")


def _token(item: str, template: str) -> tuple[str, str]:
    system, bar, code = item.partition("|")
    if not (system and bar and code):
        raise TemplateError(f"{template}: {item!r} must be system|code")
    return system, code


def _codes(resource: Json) -> set[tuple[str, str]]:
    # FHIR's "code" search looks at Observation.code only: a panel's components are found by its own code.
    codings = resource.get("code", {}).get("coding", [])
    return {(coding.get("system", ""), coding.get("code", "")) for coding in codings}


def _when(resource: Json) -> str:
    """The text by which the newest come first; without a date, last."""
    period = resource.get("effectivePeriod", {})
    for value in (resource.get("effectiveDateTime"), resource.get("effectiveInstant"), period.get("start")):
        if value:
            return str(value)
    return str(resource.get("authoredOn") or resource.get("recordedDate") or "")
