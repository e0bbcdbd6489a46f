"""JWK Sets: which keys are used, for what alone, and why others are not."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service import keys

from .tokens import Json, key_set, signer

ES = signer("ES384")
RS = signer("RS384")


@functools.cache
def elliptic() -> Json:
    return ES.jwk()


def one(**changed: Any) -> keys.KeySet:
    return keys.read({"keys": [ES.jwk(**changed)]})


def rsa(**changed: Any) -> keys.KeySet:
    return keys.read({"keys": [RS.jwk(**changed)]})


def test_each_key_is_for_the_algorithms_of_its_own_family_alone() -> None:
    found = keys.read(key_set(ES, RS, signer("ES256"), signer("RS256")))
    assert not found.problems
    assert {kid: key.algorithms for kid, key in found.keys.items()} == {
        "key-ES384": ("ES384",),
        "key-RS384": ("RS384",),
        "key-ES256": ("ES256",),
        "key-RS256": ("RS256",),
    }
    assert one(alg=None).keys["key-ES384"].algorithms == ("ES384",)
    assert rsa(alg=None).keys["key-RS384"].algorithms == ("RS384", "RS256")


def test_a_key_checks_with_its_own_algorithm_alone() -> None:
    key = one().keys["key-ES384"]
    good = ES.signature("text")
    assert key.signed("ES384", b"text", good)
    for algorithm in ("ES256", "RS384", "HS384", "none", ""):
        assert not key.signed(algorithm, b"text", good)
    assert not key.signed("ES384", b"another", good)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"kid": None}, "keys[0].kid: expected the id"),
        ({"kid": ""}, "keys[0].kid: expected the id"),
        ({"kid": 1}, "keys[0].kid: expected the id"),
        ({"kty": "oct"}, "keys[0].kty: expected EC or RSA"),
        ({"kty": "OKP"}, "keys[0].kty: expected EC or RSA"),
        ({"kty": "RSA"}, "keys[0].alg: expected RS384 or RS256"),
        ({"crv": "P-521"}, "keys[0].crv: expected one of P-384, P-256"),
        ({"crv": "P-256"}, "keys[0].alg: expected ES256"),
        ({"crv": "P-256", "alg": None}, "no point of the curve"),
        ({"crv": "secp256k1"}, "keys[0].crv"),
        ({"crv": ["P-384"]}, "keys[0].crv"),
        ({"alg": "ES256"}, "keys[0].alg: expected ES384"),
        ({"alg": "HS256"}, "keys[0].alg"),
        ({"alg": ["ES384"]}, "keys[0].alg"),
        ({"key_ops": ["sign"]}, "keys[0].key_ops"),
        ({"key_ops": "verify"}, "keys[0].key_ops"),
        ({"d": "AAAA"}, "has a private or secret part"),
        ({"k": "AAAA"}, "has a private or secret part"),
        ({"x": "AAAA"}, "no point of the curve"),
        ({"x": "A" * 64}, "no point of the curve"),
        ({"x": 1}, "keys[0].x: expected base64url text"),
        ({"x": None}, "keys[0].x: expected base64url text"),
        ({"y": "é" * 64}, "keys[0].y: expected base64url text"),
    ],
)
def test_a_key_that_cannot_be_used_is_named_with_its_place(changed: Json, problem: str) -> None:
    found = one(**changed)
    assert not found.keys
    assert len(found.problems) == 1
    assert problem in found.problems[0]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"n": None}, "keys[0].n"),
        ({"n": "AAAA"}, "keys[0]"),
        ({"n": signer("RS384", "short", 1024).jwk()["n"]}, "keys[0].n: expected 2048 to 8192 bits"),
        ({"n": "_" * 1600}, "keys[0].n: expected 2048 to 8192 bits"),
        ({"e": "AQ"}, "n and e are no RSA key"),
        ({"e": "Ag"}, "n and e are no RSA key"),
        ({"e": "AQAAAAAAAQ"}, "keys[0].e: expected at most 32 bits"),
        ({"alg": "PS384"}, "keys[0].alg"),
        ({"d": "AQAB"}, "has a private or secret part"),
    ],
)
def test_an_rsa_key_that_cannot_be_used_is_named_with_its_place(changed: Json, problem: str) -> None:
    found = rsa(**changed)
    assert not found.keys
    assert len(found.problems) == 1
    assert problem in found.problems[0]


def test_keys_for_encryption_are_passed_over_and_the_others_stand() -> None:
    found = keys.read({"keys": [RS.jwk(use="enc"), {"kty": "oct", "use": "enc", "k": "AAAA"}, ES.jwk()]})
    assert list(found.keys) == ["key-ES384"]
    assert not found.problems


def test_two_keys_of_one_id_are_both_unused_and_one_key_twice_is_one_key() -> None:
    found = keys.read({"keys": [ES.jwk(), signer("ES384", "another").jwk(kid=ES.kid), RS.jwk()]})
    assert list(found.keys) == ["key-RS384"]
    assert found.problems == ("keys[1].kid: another key has the same; neither is used",)
    assert list(keys.read({"keys": [ES.jwk(), ES.jwk()]}).keys) == ["key-ES384"]


@pytest.mark.parametrize(
    "document", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": [None]}, {"keys": [[]]}, "x"]
)
def test_what_is_no_key_set_is_a_problem_and_never_a_fault(document: object) -> None:
    found = keys.read(document)
    assert not found.keys
    assert found.problems


def test_a_set_beyond_measure_is_not_read() -> None:
    assert keys.read({"keys": [ES.jwk()] * 101}).problems == ("keys: more than 100",)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["EC", "RSA", "P-384", "AQAB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_NAMES = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"]


@given(changed=st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=4), kind=st.sampled_from([ES, RS]))
def test_an_arbitrary_key_is_never_a_fault(changed: Json, kind: Any) -> None:
    keys.read({"keys": [{**kind.jwk(), **changed}]})
