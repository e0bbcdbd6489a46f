"""The clients that may call: how each shows who it is, what it may use, and which FHIR servers are its own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import schemas
from .fhir.server import FhirServer
from .knowledge import KnowledgeError, read_json

if TYPE_CHECKING:
    from .keys import Key

ALGORITHMS = ("ES384", "RS384", "ES256", "RS256")  # of signatures; what each key may be used for, keys.py says

MAX_AGE_SECONDS = 300
CLOCK_SKEW_SECONDS = 60
CALLS_PER_MINUTE = 6000
TENANT_CLAIM = "tenant"

_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")
# The private key of the public sandbox lies in its repository: whoever wants to can sign with it.
_PUBLIC_HOST = "sandbox.cds-hooks.org"
_PUBLIC_KEY_IDS = frozenset({"44823f3d-0b01-4a6c-a80e-b9d3e8a7226f", "d9cd3c4f-eb08-4304-b973-44f352fd2ca2"})
_OF_TOKENS = (
    "issuer",
    "keys",
    "algorithms",
    "audiences",
    "tenantClaim",
    "tenants",
    "maxAgeSeconds",
    "clockSkewSeconds",
)


class ClientsError(Exception):
    """The file of clients is not sound; ``problems`` names each with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a client's public keys come from: ``local`` by key id, or ``url``; ``jku`` is the one a token may name."""

    local: Mapping[str, Key] = field(default_factory=dict)
    url: str = ""
    jku: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """One client. ``id`` is its name in our log; an anonymous client has no issuer and no keys.

    ``tenants`` and ``services`` empty mean any. ``audiences`` count like the service's own base URL. Times in seconds.
    ``calls_per_minute`` 0 is no limit.
    """

    id: str
    issuer: str = ""
    keys: KeySource = KeySource()
    algorithms: tuple[str, ...] = ALGORITHMS
    audiences: tuple[str, ...] = ()
    tenant_claim: str = TENANT_CLAIM
    tenants: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    max_age: int = MAX_AGE_SECONDS
    clock_skew: int = CLOCK_SKEW_SECONDS
    calls_per_minute: int = 0
    fhir_servers: tuple[FhirServer, ...] = ()

    def fhir_server(self, url: str) -> FhirServer | None:
        """The registered server that a request names, every character but a slash at the end alike; else None."""
        return next((server for server in self.fhir_servers if server.url == url.rstrip("/")), None)


ANONYMOUS = Client("anonymous")


@dataclass(frozen=True, slots=True)
class Clients:
    """Who may call with a token, who a caller without one is where none is asked for, and whether discovery asks."""

    known: tuple[Client, ...] = ()
    anonymous: Client = ANONYMOUS
    protect_discovery: bool = False

    @property
    def fhir_servers(self) -> tuple[FhirServer, ...]:
        """Every FHIR server that may be asked for somebody."""
        return tuple(dict.fromkeys(s for client in (*self.known, self.anonymous) for s in client.fhir_servers))


def load_clients(file: Path, services: Collection[str], development: bool = False) -> Clients:
    """Reads and checks the file of clients.

    ``services`` are the ids in service. ``development`` lets the public sandbox in, whose private key everybody has.
    Raises ClientsError with every problem found, each with its file and place.
    """
    try:
        document = read_json(file, "the file of clients")
    except KnowledgeError as error:
        raise ClientsError(error.problems) from error
    if problems := schemas.problems(document, "clients"):
        raise ClientsError([f"{file.name}, {problem}" for problem in problems])
    reader = _Reader(document, file.parent, services, development)
    clients = reader.clients()
    if reader.problems:
        raise ClientsError([f"{file.name}, {problem}" for problem in reader.problems])
    return clients


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL or a command line has it, is this machine and nothing else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class _Reader:
    def __init__(self, document: Mapping[str, Any], folder: Path, services: Collection[str], development: bool) -> None:
        self._document = document
        self._folder = folder
        self._services = services
        self._development = development
        self.problems: list[str] = []

    def clients(self) -> Clients:
        members = self._document["clients"]
        read = [self._client(member, f"clients[{index}]") for index, member in enumerate(members)]
        self.problems += _doubles(members)
        known = tuple(client for member, client in zip(members, read, strict=True) if "anonymous" not in member)
        nobody = [client for member, client in zip(members, read, strict=True) if "anonymous" in member]
        return Clients(known, nobody[0] if nobody else ANONYMOUS, self._document.get("protectDiscovery", False))

    def _client(self, member: Mapping[str, Any], at: str) -> Client:
        if "anonymous" in member:
            told = [name for name in _OF_TOKENS if name in member]
            self.problems += [f"{at}.{name}: an anonymous client shows no token; take this out" for name in told]
        elif "issuer" not in member:
            self.problems.append(f"{at}.issuer: expected what the client's tokens have as iss, got nothing")
        return Client(
            id=member["id"],
            issuer=member.get("issuer", ""),
            keys=KeySource() if "anonymous" in member else self._keys(member, at),
            algorithms=tuple(member.get("algorithms", ALGORITHMS)),
            audiences=tuple(member.get("audiences", ())),
            tenant_claim=member.get("tenantClaim", TENANT_CLAIM),
            tenants=frozenset(member.get("tenants", ())),
            services=frozenset(self._known_services(member, at)),
            max_age=member.get("maxAgeSeconds", MAX_AGE_SECONDS),
            clock_skew=member.get("clockSkewSeconds", CLOCK_SKEW_SECONDS),
            calls_per_minute=member.get("callsPerMinute", 0 if "anonymous" in member else CALLS_PER_MINUTE),
            fhir_servers=tuple(self._fhir_servers(member, at)),
        )

    def _keys(self, member: Mapping[str, Any], at: str) -> KeySource:
        given = member.get("keys", {})
        url, jku = given.get("url", ""), given.get("jku", "")
        if ("file" in given) == bool(url):
            self.problems.append(
                f"{at}.keys: expected the client's public keys, a JWK Set, either as file or as url that gives one"
            )
            return KeySource()
        if url:
            self._check_url(url, f"{at}.keys.url")
            if jku:
                self.problems.append(f"{at}.keys.jku: the url is the only jku a token may name; take this out")
        local = self._local(given["file"], f"{at}.keys.file") if "file" in given else {}
        self._check_public(member, at, (member.get("issuer", ""), url, jku), local)
        allowed = set(member.get("algorithms", ALGORITHMS))
        if local and not any(allowed & set(key.algorithms) for key in local.values()):
            self.problems.append(f"{at}.algorithms: no key of {given['file']} is for one of these")
        return KeySource(MappingProxyType(local), url, url or jku)

    def _local(self, name: str, at: str) -> dict[str, Key]:
        from . import keys  # with PyJWT and cryptography: nobody else has to wait for them

        file = self._folder / name
        try:
            document = read_json(file, "the key set")
        except KnowledgeError as error:
            self.problems += [f"{at}: {problem}" for problem in error.problems]
            return {}
        found = keys.read(document)
        self.problems += [f"{at}: {name}, {problem}" for problem in found.problems]
        if not found.keys and not found.problems:
            self.problems.append(f"{at}: {name} has no key for signatures")
        return dict(found.keys)

    def _check_public(
        self, member: Mapping[str, Any], at: str, addresses: Sequence[str], local: Mapping[str, Key]
    ) -> None:
        hosts = {_host(address) for address in addresses}
        if (_PUBLIC_HOST in hosts or _PUBLIC_KEY_IDS & set(local)) and not self._development:
            self.problems.append(
                f"{at}: {member['id']} is the public sandbox, and everybody has its private key; take it out, or set "
                "CDS_DEVELOPMENT=1 on a machine without data of patients"
            )

    def _check_url(self, url: str, at: str) -> None:
        match = _URL.fullmatch(url)
        if not match:
            self.problems.append(f"{at}: expected an address such as https://ehr.example/path, without query or user")
        elif url.startswith("http:") and not is_loopback(match.group(1)):
            self.problems.append(f"{at}: expected https; http is for loopback only")

    def _known_services(self, member: Mapping[str, Any], at: str) -> Iterator[str]:
        for index, service in enumerate(member.get("services", ())):
            if service not in self._services:
                known = ", ".join(sorted(self._services))
                self.problems.append(f"{at}.services[{index}]: there is no service {service!r}; known: {known}")
            yield service

    def _fhir_servers(self, member: Mapping[str, Any], at: str) -> Iterator[FhirServer]:
        seen = set()
        for index, server in enumerate(member.get("fhirServers", ())):
            url, private = server["url"].rstrip("/"), server.get("privateNetwork", False)
            self._check_url(url, f"{at}.fhirServers[{index}].url")
            if url in seen:
                self.problems.append(f"{at}.fhirServers[{index}].url: stands twice")
            seen.add(url)
            yield FhirServer(url, private, server.get("postSearch", False))


def _doubles(members: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Clients that could not be told apart."""
    ids = set()
    anonymous = False
    tenants: dict[str, set[str]] = {}
    for index, member in enumerate(members):
        at = f"clients[{index}]"
        if member["id"] in ids:
            yield f"{at}.id: {member['id']!r} stands twice"
        ids.add(member["id"])
        if "anonymous" in member:
            if anonymous:
                yield f"{at}.anonymous: there can be one anonymous client only"
            anonymous = True
            continue
        issuer, own = member.get("issuer", ""), set(member.get("tenants", ()))
        if issuer in tenants and (not own or not tenants[issuer] or own & tenants[issuer]):
            yield f"{at}.issuer: another client has the same; then each needs tenants, and none of the other's"
        tenants.setdefault(issuer, set()).update(own)


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
