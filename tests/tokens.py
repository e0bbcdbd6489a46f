"""Clients with key pairs of their own, the tokens they sign, and the file in which the service knows them."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import itertools
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from cds_service.config import Config
from cds_service.web import create_app

from .protocol import ORDER_SIGN, catalogue, order_sign, post

Json = dict[str, Any]
BASE = "https://cds.example"
NOW = datetime.datetime(2026, 11, 25, 12, 0, tzinfo=datetime.UTC)
ISSUER = "https://ehr.example/fhir"
_numbers = itertools.count()


def part(content: object) -> str:
    """Bytes, text or JSON as a part of a token has it."""
    data = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else dumped(content)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dumped(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Signer:
    """A key pair, its id, and the algorithm it signs with."""

    kid: str
    algorithm: str
    private: Any

    def jwk(self, **changed: Any) -> Json:
        """The public key as a JWK; a change to None leaves a member out."""
        public = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        members = {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm, "key_ops": ["verify"], **changed}
        return {name: value for name, value in members.items() if value is not None}

    def signature(self, message: str) -> bytes:
        """Made with the key's own algorithm."""
        made: bytes = jwt.get_algorithm_by_name(self.algorithm).sign(message.encode(), self.private)
        return made

    def signed(self, head: object, claims: object) -> str:
        """A token of this header and these claims, whatever they are."""
        message = f"{part(head)}.{part(claims)}"
        return f"{message}.{part(self.signature(message))}"

    def token(self, path: str, *, head: Json | None = None, now: datetime.datetime = NOW, **changed: Any) -> str:
        """A sound token for a path, unless ``head`` or a claim is changed; a change to None leaves it out."""
        return self.signed(
            without_none({"alg": self.algorithm, "typ": "JWT", "kid": self.kid, **(head or {})}),
            without_none({**claims_for(path, now), **changed}),
        )


def claims_for(path: str, now: datetime.datetime = NOW) -> Json:
    """Sound claims of a new token."""
    issued = int(now.timestamp())
    return {"iss": ISSUER, "aud": BASE + path, "exp": issued + 300, "iat": issued, "jti": token_id()}


def token_id() -> str:
    """One that was never used."""
    return f"{uuid.uuid4()}-{next(_numbers)}"


def without_none(members: Json) -> Json:
    return {name: value for name, value in members.items() if value is not None}


@functools.cache
def signer(algorithm: str, kid: str = "", bits: int = 2048) -> Signer:
    """The same key pair for the same arguments, made at its first use."""
    curves: dict[str, ec.EllipticCurve] = {"ES384": ec.SECP384R1(), "ES256": ec.SECP256R1()}
    curve = curves.get(algorithm)
    private = ec.generate_private_key(curve) if curve else rsa.generate_private_key(65537, bits)
    return Signer(kid or f"key-{algorithm}", algorithm, private)


def key_set(*signers: Signer) -> Json:
    """A JWK Set."""
    return {"keys": [one.jwk() for one in signers]}


def written(folder: Path, *members: Json, keys: Json | None = None, **top: Any) -> Path:
    """A file of clients, with the key set that they may name as keys.json beside it."""
    (folder / "keys.json").write_text(json.dumps(keys or key_set(signer("ES384"))), "utf-8")
    file = folder / "clients.json"
    file.write_text(json.dumps({"clients": members, **top}), "utf-8")
    return file


def known(**changed: Any) -> Json:
    """A client of the file; a change to None leaves a member out."""
    return without_none({"id": "ehr", "issuer": ISSUER, "keys": {"file": "keys.json"}, **changed})


def guarded(folder: Path, file: Path, **changed: Any) -> Config:
    """The settings of a service that asks for tokens."""
    config = Config(clients=file, auth="required", base_url=BASE, shared_store=str(folder / "tokens.sqlite"))
    return dataclasses.replace(config, **changed)


def service(config: Config) -> FlaskClient:
    """A client of the real application with these settings, at a fixed moment."""
    return create_app(config, catalogue(), lambda: NOW).test_client()


def call(caller: FlaskClient, token: str | None, path: str = ORDER_SIGN, body: Json | None = None) -> TestResponse:
    """A sound call, with a token or without one."""
    headers = [] if token is None else [("Authorization", f"Bearer {token}")]
    return post(caller, path, body or order_sign(), headers=headers)
