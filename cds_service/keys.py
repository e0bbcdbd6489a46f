"""Public keys from a JWK Set: which key id is which key, and for which signature algorithm alone it may be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

_CURVES = MappingProxyType({"P-384": "ES384", "P-256": "ES256"})
_RSA = ("RS384", "RS256")
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MIN_BITS = 2048
_MAX_BITS = 8192  # a longer one costs more to check than any caller is worth
_MAX_EXPONENT_BITS = 32
_MAX_KEYS = 100


@dataclass(frozen=True, slots=True)
class Key:
    """A public key and the algorithms it may be used with; all of them are of one family."""

    algorithms: tuple[str, ...]
    material: EllipticCurvePublicKey | RSAPublicKey = field(repr=False)

    def signed(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, made with this algorithm."""
        return algorithm in self.algorithms and bool(
            jwt.get_algorithm_by_name(algorithm).verify(message, self.material, signature)
        )


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of a JWK Set by key id, and for each other one where it stands and why it is not used."""

    keys: Mapping[str, Key]
    problems: tuple[str, ...]


class _Unusable(Exception):
    pass


def read(document: object) -> KeySet:
    """The keys of a JWK Set, as JSON gives it. Never raises: whatever is no usable key is a problem.

    Problems say the place and the reason, and repeat nothing of the set. Keys for encryption are passed over.
    """
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list):
        return KeySet({}, ("keys: expected the list of a JWK Set",))
    if len(members) > _MAX_KEYS:
        return KeySet({}, (f"keys: more than {_MAX_KEYS}",))
    keys: dict[str, Key] = {}
    ambiguous = set()
    problems = []
    for index, member in enumerate(members):
        if isinstance(member, Mapping) and member.get("use", "sig") != "sig":
            continue
        try:
            kid, key = _key(member)
        except _Unusable as error:
            problems.append(f"keys[{index}]{error}")
            continue
        if keys.setdefault(kid, key) != key:
            problems.append(f"keys[{index}].kid: another key has the same; neither is used")
            ambiguous.add(kid)
    usable = {kid: key for kid, key in keys.items() if kid not in ambiguous}
    return KeySet(MappingProxyType(usable), tuple(problems))


def _key(member: object) -> tuple[str, Key]:
    if not isinstance(member, Mapping):
        raise _Unusable(": expected an object")
    kid = member.get("kid")
    if not isinstance(kid, str) or not kid:
        raise _Unusable(".kid: expected the id that tokens will name")
    if _PRIVATE & set(member):
        raise _Unusable(
            ": has a private or secret part; keep that to yourself, make new keys, give the public part only"
        )
    uses = member.get("key_ops", ["verify"])
    if not isinstance(uses, list) or "verify" not in uses:
        raise _Unusable(".key_ops: expected to have verify")
    match member.get("kty"):
        case "EC":
            return kid, _elliptic(member)
        case "RSA":
            return kid, _rsa(member)
    raise _Unusable(".kty: expected EC or RSA")


def _elliptic(member: Mapping[str, Any]) -> Key:
    curve = member.get("crv")
    algorithm = _CURVES.get(curve) if isinstance(curve, str) else None
    if algorithm is None:
        raise _Unusable(f".crv: expected one of {', '.join(_CURVES)}")
    only = _algorithms(member, (algorithm,))
    try:
        material = ECAlgorithm.from_jwk({"kty": "EC", "crv": curve, "x": _text(member, "x"), "y": _text(member, "y")})
    except (jwt.PyJWTError, ValueError) as error:
        raise _Unusable(": x and y are no point of the curve") from error
    if not isinstance(material, EllipticCurvePublicKey):
        raise _Unusable(": is no public key")
    return Key(only, material)


def _rsa(member: Mapping[str, Any]) -> Key:
    only = _algorithms(member, _RSA)
    try:
        material = RSAAlgorithm.from_jwk({"kty": "RSA", "n": _text(member, "n"), "e": _text(member, "e")})
    except (jwt.PyJWTError, ValueError) as error:
        raise _Unusable(": n and e are no RSA key") from error
    if not isinstance(material, RSAPublicKey):
        raise _Unusable(": is no public key")
    if not _MIN_BITS <= material.key_size <= _MAX_BITS:
        raise _Unusable(f".n: expected {_MIN_BITS} to {_MAX_BITS} bits")
    if material.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS:
        raise _Unusable(f".e: expected at most {_MAX_EXPONENT_BITS} bits")
    return Key(only, material)


def _algorithms(member: Mapping[str, Any], family: tuple[str, ...]) -> tuple[str, ...]:
    if "alg" not in member:
        return family
    if member["alg"] not in family:
        raise _Unusable(f".alg: expected {' or '.join(family)} for this key")
    return (member["alg"],)


def _text(member: Mapping[str, Any], name: str) -> str:
    value = member.get(name)
    if not isinstance(value, str) or not value.isascii():
        raise _Unusable(f".{name}: expected base64url text")
    return value
