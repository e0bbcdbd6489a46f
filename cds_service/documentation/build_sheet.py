"""What an EHR analyst types in: addresses, tokens, prefetch, scopes, limits, answers, override reasons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import __version__
from ..catalogue import Catalogue, ServiceEntry
from ..clients import Client
from ..config import Config
from ..fhir.requirement import DataRequirement
from ..knowledge import read_json
from ..manifest import requirements
from ..silent_mode import silent_rules
from ..terminology.codes import LOINC
from .markdown import code, table

Json = dict[str, Any]

FACTS = Path(__file__).with_name("build_sheet.json")
_PLACEHOLDER = "https://SET-CDS_BASE_URL.example"


def facts() -> Mapping[str, Any]:
    """What the sheet and the documents say alike: why a key, which elements, what a status means, habits of EHRs."""
    found: Mapping[str, Any] = read_json(FACTS, "the facts of the build sheet")
    return found


def document(
    catalogue: Catalogue, config: Config, client: Client | None, *, protected: bool = False, ehr: str = ""
) -> Json:
    """The sheet for machines; ``client`` None is for whatever client comes. Holds nothing that is secret.

    ``protected`` says that discovery asks for a token. ``ehr`` is one of those that ``facts`` has notes on.
    """
    known = facts()
    base = config.base_url or _PLACEHOLDER
    entries = [e for e in catalogue.entries if client is None or not client.services or e.service.id in client.services]
    needed = _requirements(entries)
    return {
        "software": __version__,
        "client": client.id if client else "",
        "baseUrl": config.base_url,
        "endpoints": {"discovery": f"{base}/cds-services", "discoveryAsksForToken": protected},
        "cdsHooksVersion": catalogue.manifest["cdsHooksVersion"],
        "fhirVersion": catalogue.manifest["fhirVersion"],
        "services": [_service(entry, catalogue, base, client) for entry in entries],
        "token": _token(config, client, base),
        "prefetch": [_key(r, entries, catalogue, known) for r in needed if not _absent(r, entries)],
        "notOffered": [dict(n) for n in catalogue.manifest["site"].get("notOffered", ())],
        "elements": {
            "of every resource": list(known["everyType"]),
            **{type_: list(known["elements"][type_]) for type_ in _types(needed)},
        },
        "scopes": _scopes(needed),
        "fhirServers": [
            {"url": s.url, "privateNetwork": s.private_network, "postSearch": s.post_search}
            for s in (client.fhir_servers if client else ())
        ],
        "limits": {
            "bodyBytes": config.max_body,
            "fetchMilliseconds": config.deadline_ms,
            "callsPerMinute": (client.calls_per_minute or None) if client else None,
        },
        "statuses": [dict(status) for status in known["statuses"]],
        "overrideReasons": [
            {**coding.to_json(), "hl7": category} for coding, category in catalogue.composer.suggestions.categories()
        ],
        "notes": dict(known["ehrs"][ehr]) if ehr else {},
    }


def _service(entry: ServiceEntry, catalogue: Catalogue, base: str, client: Client | None) -> Json:
    service, rules = entry.service, [rule.rule.id for rule in entry.rules]
    url = f"{base}/cds-services/{service.id}"
    # For any client: only what is silent whoever calls.
    silent = silent_rules(catalogue.silent_modes, service.id, client.id if client else "", rules)
    return {
        "id": service.id,
        "hook": service.hook,
        "title": service.title,
        "url": url,
        "feedback": f"{url}/feedback",
        "silent": "all" if rules and silent == set(rules) else sorted(silent),
    }


def _token(config: Config, client: Client | None, base: str) -> Json:
    if config.auth == "off" or (client is not None and not client.issuer):
        return {"asked": False}
    rules = client or Client("")
    return {
        "asked": True,
        "issuer": rules.issuer,
        "keys": {
            "url": rules.keys.url,
            "jku": rules.keys.jku,
            "local": {kid: list(key.algorithms) for kid, key in rules.keys.local.items()},
        },
        "algorithms": list(rules.algorithms),
        "audiences": [base, *rules.audiences],
        "tenantClaim": rules.tenant_claim,
        "tenants": sorted(rules.tenants),
        "maxAgeSeconds": rules.max_age,
        "clockSkewSeconds": rules.clock_skew,
    }


def _requirements(entries: list[ServiceEntry]) -> list[DataRequirement]:
    return list(requirements(rule for entry in entries for rule in entry.rules))


def _absent(requirement: DataRequirement, entries: list[ServiceEntry]) -> bool:
    return any(requirement.key in entry.not_offered for entry in entries)


def _key(
    requirement: DataRequirement, entries: list[ServiceEntry], catalogue: Catalogue, known: Mapping[str, Any]
) -> Json:
    key = requirement.key
    services = [entry.service for entry in entries if key in entry.service.prefetch]
    sets = (catalogue.terminology.value_set(name).codes(LOINC) for name in requirement.value_sets)
    return {
        "key": key,
        "about": catalogue.composer.composition.keys.get(key, key),
        "type": requirement.type,
        "query": services[0].prefetch[key],
        "loincCodes": len({one for codes in sets for one in codes}),
        "services": [service.id for service in services],
        "elements": list(known["elements"][requirement.type]),
        "why": known["keys"][key],
    }


def _types(needed: list[DataRequirement]) -> list[str]:
    """The resource types read, with those that come along by an include."""
    return list(dict.fromkeys(t for r in needed for t in (r.type, *(("Medication",) if r.include else ()))))


def _scopes(needed: list[DataRequirement]) -> Json:
    """For a token about one patient: every type is read and searched."""
    types = _types(needed)
    return {
        "v1": [f"patient/{type_}.read" for type_ in types],
        "v2": [f"patient/{type_}.rs" for type_ in types],
    }


def markdown(document: Mapping[str, Any]) -> str:
    """The same for people."""
    return "\n\n".join(_parts(document)) + "\n"


def _parts(document: Mapping[str, Any]) -> Iterator[str]:
    whom = code(document["client"]) if document["client"] else "any client"
    yield f"# Build sheet for {whom}"
    yield (
        f"What is typed into the EHR. Made by bone-health-cds {document['software']} from its manifest and its file "
        "of clients; print it anew when one of them changes. It holds no secrets."
    )
    if not document["baseUrl"]:
        yield f"**Not complete:** set `CDS_BASE_URL`, this service's address as the EHR sees it, for {_PLACEHOLDER}."
    yield "## Addresses"
    asks = "; asks for a token" if document["endpoints"]["discoveryAsksForToken"] else ""
    yield f"CDS Hooks {document['cdsHooksVersion']}, FHIR {document['fhirVersion']}, JSON."
    yield f"Discovery: <{document['endpoints']['discovery']}>{asks}"
    rows = ([s["hook"], code(s["id"]), f"<{s['url']}>", _silent(s["silent"])] for s in document["services"])
    yield table(("Hook", "Service id", "Address (POST)", "Silent mode"), rows)
    yield "Feedback goes to the same address with `/feedback` after it."
    yield "## Who is calling"
    yield from _asked(document["token"])
    yield "## Prefetch"
    yield (
        "Every key, as it stands. A search that found nothing is sent as the empty Bundle or null; "
        "a key that is left out counts as not checked."
    )
    rows = ([code(k["key"]), k["type"], k["why"], _where(k, document)] for k in document["prefetch"])
    yield table(("Key", "Resource", "Why", "Services"), rows)
    yield "```\n" + "\n".join(f"{k['key']}\n  {k['query']}" for k in document["prefetch"]) + "\n```"
    if document["notOffered"]:
        yield "Not asked for, as the site does not have it:"
        yield table(("Key", "Reason"), ([code(n["key"]), n["reason"]] for n in document["notOffered"]))
    yield "Elements read; all others may be left out:"
    yield table(("Resource", "Elements"), ([t, ", ".join(map(code, e))] for t, e in document["elements"].items()))
    yield "## FHIR server"
    yield from _fhir(document)
    yield "## Limits"
    yield table(("Limit", "Value"), _limits(document))
    yield "## Answers"
    rows = ([str(s["status"]), s["means"], s["client"]] for s in document["statuses"])
    yield table(("Status", "Means", "The client"), rows)
    yield "## Override reasons"
    if document["overrideReasons"]:
        yield f"System: `{document['overrideReasons'][0]['system']}`. Each card brings those that fit it."
    rows = ([code(r["code"]), r["display"], code(r["hl7"])] for r in document["overrideReasons"])
    yield table(("Code", "Display", "HL7's category"), rows)
    if document["notes"]:
        yield f"## {document['notes']['title']}"
        yield document["notes"]["note"]


def _silent(silent: Any) -> str:
    return "no card is shown" if silent == "all" else ", ".join(map(code, silent))


def _where(key: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    hooks = [service["hook"] for service in document["services"] if service["id"] in key["services"]]
    return "all" if len(hooks) == len(document["services"]) else ", ".join(hooks)


def _asked(token: Mapping[str, Any]) -> Iterator[str]:
    if not token["asked"]:
        yield "No token is asked for: the gateway before this service authenticates."
        return
    yield "`Authorization: Bearer`, a signed JWT of its own for each call and each feedback."
    yield table(("Claim or header", "Value"), _claims(token))


def _claims(token: Mapping[str, Any]) -> Iterator[list[str]]:
    audiences = [code(audience) for audience in token["audiences"]]
    yield [
        "`iss`",
        code(token["issuer"]) if token["issuer"] else "agreed with the site; `issuer` in the file of clients",
    ]
    yield ["`aud`", f"the address called, or {' or '.join(audiences)}"]
    yield ["`alg`", ", ".join(map(code, token["algorithms"]))]
    yield ["Public keys", _keys(token["keys"])]
    jku = token["keys"]["jku"]
    yield ["`jku`", f"none, or {code(jku)}" if jku else "none"]
    tenants = ", ".join(map(code, token["tenants"]))
    yield [code(token["tenantClaim"]), f"one of {tenants}" if tenants else "any, or none"]
    yield ["`exp`, `iat`, `jti`", "needed; a `jti` is good for one call"]
    yield ["Age", f"{token['maxAgeSeconds']} seconds at most; clocks may differ by {token['clockSkewSeconds']} seconds"]


def _keys(keys: Mapping[str, Any]) -> str:
    if keys["url"]:
        return f"fetched from <{keys['url']}>"
    held = ", ".join(f"`kid` {code(kid)} ({' or '.join(algorithms)})" for kid, algorithms in keys["local"].items())
    return f"held here: {held}" if held else "a JWK Set, as a file or at an address"


def _fhir(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["fhirServers"]:
        yield (
            "None is registered: everything comes by prefetch. To have fetched what prefetch leaves out, register the "
            "server under `fhirServers` and send `fhirServer` and `fhirAuthorization` with a token of these scopes:"
        )
    else:
        yield "What prefetch leaves out is fetched here, when a request names the server as it stands:"
        rows = (
            [code(s["url"]), "POST `_search`" if s["postSearch"] else "GET", "yes" if s["privateNetwork"] else "no"]
            for s in document["fhirServers"]
        )
        yield table(("`fhirServer`", "Searched by", "In a private network"), rows)
        yield "`fhirAuthorization` needs a token of these scopes:"
    rows = ([code(one), code(two)] for one, two in zip(*document["scopes"].values(), strict=True))
    yield table(("SMART 1", "SMART 2"), rows)


def _limits(document: Mapping[str, Any]) -> Iterator[list[str]]:
    limits = document["limits"]
    yield ["Body", f"{limits['bodyBytes']:,} bytes"]
    yield ["Fetching from the FHIR server", f"{limits['fetchMilliseconds']} ms for a call"]
    calls = limits["callsPerMinute"]
    if document["client"]:
        yield ["Calls", f"{calls:,} a minute" if calls else "not limited here"]
