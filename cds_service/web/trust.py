"""Who is calling: the signed JWT of CDS Hooks, checked in full before a body is read."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeGuard

from ..clients import Client, Clients, load_clients
from ..config import Config, ConfigError
from ..fhir.server import FhirServer
from . import log, wire
from .refusals import Forbidden, TooManyCalls, Unauthenticated
from .replay import SpentTokens, spent_tokens
from .shared_store import StoreDown

if TYPE_CHECKING:
    from .key_sets import Keys, Times
    from .rates import Rates

_LONGEST_TOKEN = 8000
_LONGEST_NAME = 512
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Keys that a token brings along, and ways to read it that nobody agreed on.
_NEVER = frozenset({"jwk", "x5c", "x5u", "crit", "b64", "enc", "zip"})
_LATEST = 10**11  # in seconds of the epoch; whatever is beyond it was not meant as seconds

_WEB_ADDRESS = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[^?#\s\\]*)?", re.I | re.A)
_PORTS = {"http": ":80", "https": ":443"}
_SLASHES = re.compile(r"/{2,}")


class Gate:
    """Lets callers in, or does not. The log is told who came, or a word for why nobody did; a token never."""

    def __init__(
        self,
        clients: Clients,
        base_url: str,
        spent: SpentTokens | None,
        rates: Rates | None,
        now: Callable[[], datetime.datetime],
        times: Times | None = None,
    ) -> None:
        """``spent`` None: nobody is asked for a token, and every caller is the anonymous client.

        ``rates`` None: calls are not counted.
        """
        self._clients = clients
        self._base_url = base_url
        self._spent = spent
        self._rates = rates
        self._now = now
        self._keys = _keys(clients, times)
        self._audiences = {client.id: tuple(map(_plain, (base_url, *client.audiences))) for client in clients.known}

    @property
    def fhir_servers(self) -> tuple[FhirServer, ...]:
        """Every FHIR server that may be asked for a client."""
        return self._clients.fhir_servers

    def check_store(self) -> None:
        """Whether callers could be let in. Raises StoreDown."""
        if self._spent is not None:
            self._spent.check()

    def discovery(self, header: str | None, path: str) -> None:
        """Lets a caller see the services: anybody, unless the site protects them."""
        if self._clients.protect_discovery and self._spent is not None:
            self._authenticated(header, path, self._spent)

    def client(self, header: str | None, path: str, service: str) -> Client:
        """Who calls a service at ``path``, by the Authorization ``header``.

        Raises Unauthenticated, Forbidden, TooManyCalls, or StoreDown when it cannot be found out whether a token was
        used before or how many calls there were.
        """
        client = self._clients.anonymous if self._spent is None else self._authenticated(header, path, self._spent)
        # Only now: who cannot show to be the client, or repeats a token of its, must not use up its calls.
        if self._rates is not None and client.calls_per_minute:
            self._count(self._rates, client)
        if client.services and service not in client.services:
            raise _refused("service", Forbidden)
        return client

    def _authenticated(self, header: str | None, path: str, spent: SpentTokens) -> Client:
        if header is None:
            raise _refused("no-token")
        match = _BEARER.fullmatch(header) if len(header) <= _LONGEST_TOKEN else None
        if match is None:
            raise _refused("not-a-token")
        head, claims = _document(match.group(1), "header"), _document(match.group(2), "claims")
        client = self._issuer(claims)
        self._check_signature(client, head, match)
        _check_form(client, claims)
        if not self._is_meant(client, claims["aud"], path):
            raise _refused("audience")
        now = self._now().timestamp()
        until = _check_times(client, claims, now)
        try:
            first = spent.spend(_digest(client, claims["jti"]), until, now)
        except StoreDown:
            log.tell(refused="store-down")
            raise
        if not first:
            raise _refused("replay")
        if client.tenants and claims.get(client.tenant_claim) not in client.tenants:
            raise _refused("tenant", Forbidden)
        return client

    def _count(self, rates: Rates, client: Client) -> None:
        try:
            rates.count(client)
        except TooManyCalls:
            log.tell(refused="too-many-calls")
            raise
        except StoreDown:
            log.tell(refused="store-down")
            raise

    def _issuer(self, claims: Mapping[str, Any]) -> Client:
        """The client that the token says it is from; nothing shows yet that it is."""
        of_issuer = [client for client in self._clients.known if client.issuer == claims.get("iss")]
        if not of_issuer:
            raise _refused("issuer")
        fitting = (c for c in of_issuer if len(of_issuer) == 1 or _tenant(c, claims) in c.tenants)
        client = next(fitting, of_issuer[0])
        log.tell(client=client.id)
        return client

    def _check_signature(self, client: Client, head: Mapping[str, Any], token: re.Match[str]) -> None:
        algorithm, kid = head.get("alg"), head.get("kid")
        if not isinstance(algorithm, str) or algorithm not in client.algorithms:
            raise _refused("algorithm")
        if str(head.get("typ")).upper() != "JWT" or _NEVER & set(head):
            raise _refused("header")
        if "jku" in head and (not client.keys.jku or head["jku"] != client.keys.jku):
            raise _refused("jku")
        if not _is_name(kid):
            raise _refused("key-id")
        key = self._keys[client.id].find(kid)
        if key is None:
            raise _refused("unknown-key")
        message = token.string[token.start(1) : token.end(2)].encode()
        if not key.signed(algorithm, message, _bytes(token.group(3), "signature")):
            raise _refused("signature")

    def _is_meant(self, client: Client, audience: Any, path: str) -> bool:
        named = {_plain(text) for text in ([audience] if isinstance(audience, str) else audience)}
        return any(base in named or base + path in named for base in self._audiences[client.id])


def gate(config: Config, services: Collection[str], now: Callable[[], datetime.datetime]) -> Gate:
    """The gate that ``config`` asks for; ``services`` are the ids in service.

    Raises ClientsError for an unsound file of clients, ConfigError when it is not said who may call, or when tokens
    that were spent cannot be remembered.
    """
    clients = clients_of(config, services)
    asks = config.auth != "off"
    counts = asks or clients.anonymous.calls_per_minute > 0
    try:
        spent = spent_tokens(config.shared_store) if asks else None
        rates = _rates(config.shared_store) if counts else None
    except StoreDown as error:
        raise ConfigError("CDS_SHARED_STORE", str(error), "a file that can be written, or a Redis server") from error
    return Gate(clients, config.base_url, spent, rates, now)


# Where nobody shows a token and no call is counted, nothing waits for PyJWT, cryptography and limits.


def _keys(clients: Clients, times: Times | None) -> Mapping[str, Keys]:
    if not clients.known:
        return {}
    from .key_sets import TIMES, keys_of

    return {client.id: keys_of(client, times or TIMES) for client in clients.known}


def _rates(where: str) -> Rates:
    from .rates import Rates

    return Rates(where)


def clients_of(config: Config, services: Collection[str]) -> Clients:
    """The clients that ``config`` names. Raises ClientsError, and ConfigError when nobody could ever be let in."""
    clients = load_clients(config.clients, services, config.development) if config.clients else Clients()
    if not clients.known and config.auth != "off":
        expected = "off, or CDS_CLIENTS with the clients that may call and show it by a token"
        raise ConfigError("CDS_AUTH", config.auth, expected)
    return clients


def _refused(why: str, kind: type[Unauthenticated] | type[Forbidden] = Unauthenticated) -> Exception:
    log.tell(refused=why)
    return kind()


def _document(part: str, name: str) -> dict[str, Any]:
    """The JSON object in a part of a token: strict, so that no two readers can understand it differently."""
    try:
        return wire.parse(_bytes(part, name))
    except wire.NotJson:
        raise _refused(name) from None


def _bytes(part: str, name: str) -> bytes:
    """Base64url without padding, and only as it would be written: the same bytes have one spelling."""
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise _refused(name) from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        raise _refused(name)
    return data


def _check_form(client: Client, claims: Mapping[str, Any]) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(text, str) for text in audiences):
        raise _refused("audience")
    if not _is_name(claims.get("jti")):
        raise _refused("token-id")
    if any(not isinstance(claims[name], str) for name in ("sub", client.tenant_claim) if name in claims):
        raise _refused("claims")


def _check_times(client: Client, claims: Mapping[str, Any], now: float) -> float:
    """Until when the token could be used, in seconds of the epoch."""
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    skew = client.clock_skew
    if now >= expires + skew:
        raise _refused("expired")
    if issued > now + skew or expires <= issued:
        raise _refused("issued-at")
    if "nbf" in claims and _seconds(claims, "nbf") > now + skew:
        raise _refused("not-yet-valid")
    if now > issued + client.max_age + skew:
        raise _refused("too-old")
    return min(expires, issued + client.max_age) + skew


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not 0 < value < _LATEST:
        raise _refused("times")
    return float(value)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME


def _tenant(client: Client, claims: Mapping[str, Any]) -> str:
    tenant = claims.get(client.tenant_claim)
    return tenant if isinstance(tenant, str) else ""


def _digest(client: Client, jti: str) -> bytes:
    """What is remembered of a token: nothing from which it could be read. Two issuers may use the same id."""
    return hashlib.sha256(f"{client.issuer}\n{jti}".encode()).digest()


def _plain(address: str) -> str:
    """A web address in one spelling; what differs in anything else than spelling stays different.

    Upper case in scheme and host, the port that is meant anyhow and slashes too many mean nothing, here as in our
    own routing. Everything that is no plain web address stays as it is.
    """
    match = _WEB_ADDRESS.fullmatch(address)
    if match is None:
        return address
    scheme, host, port, path = match.groups(default="")
    scheme = scheme.lower()
    port = "" if port == _PORTS[scheme] else port
    return f"{scheme}://{host.lower()}{port}{_SLASHES.sub('/', path).rstrip('/')}"
