"""Tokens that must never let anybody in, each with the word by which the log knows why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .protocol import FEEDBACK, ORDER_SELECT, ORDER_SIGN
from .tokens import BASE, ISSUER, NOW, Json, Signer, dumped, part, signer, token_id

ES = signer("ES384")
RS = signer("RS384")
OTHER = signer("ES384", "another key")
FOREIGN = Signer(ES.kid, ES.algorithm, OTHER.private)  # not our client's key, under the id of our client's
ORDER_OF_P384 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


def forged(algorithm: str, secret: bytes) -> str:
    """A token with a symmetric signature."""
    names: dict[str, hashes.HashAlgorithm] = {
        "HS256": hashes.SHA256(),
        "HS384": hashes.SHA384(),
        "HS512": hashes.SHA512(),
    }
    message = ES.token(ORDER_SIGN, head={"alg": algorithm}).rpartition(".")[0]
    made = hmac.HMAC(secret, names[algorithm])
    made.update(message.encode())
    return f"{message}.{part(made.finalize())}"


def pem(one: Signer) -> bytes:
    public: bytes = one.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public


def resigned(change: Callable[[bytes], bytes], one: Signer = ES) -> str:
    """A sound token whose signature is changed."""
    message, _, _ = one.token(ORDER_SIGN).rpartition(".")
    return f"{message}.{part(change(one.signature(message)))}"


def der_signed() -> str:
    """A signature by the right key over the right text, in DER as X.509 has it."""
    message, _, _ = ES.token(ORDER_SIGN).rpartition(".")
    return f"{message}.{part(ES.private.sign(message.encode(), ec.ECDSA(hashes.SHA384())))}"


def spelt_otherwise() -> str:
    """The same signature's bytes: the last character has bits that mean nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = RS.token(ORDER_SIGN)
    return token[:-1] + letters[letters.index(token[-1]) ^ 1]


def twice_in(what: str) -> str:
    """A header or claims in which a member stands twice, signed as it is."""
    head = dumped({"alg": "ES384", "typ": "JWT", "kid": ES.kid})
    claims = dumped(sound_claims())
    if what == "header":
        return ES.signed(head[:-1] + b',"alg":"ES384"}', claims)
    return ES.signed(head, claims[:-1] + b',"iss":"' + ISSUER.encode() + b'"}')


def sound_claims(**changed: Any) -> Json:
    now = int(NOW.timestamp())
    return {"iss": ISSUER, "aud": BASE + ORDER_SIGN, "exp": now + 300, "iat": now, "jti": token_id(), **changed}


def bare(head: Json, signature: str = "") -> str:
    return f"{part(head)}.{part(sound_claims())}.{signature}"


def t(**changed: Any) -> str:
    return ES.token(ORDER_SIGN, **changed)


def head(**changed: Any) -> str:
    return ES.token(ORDER_SIGN, head=changed)


AT = int(NOW.timestamp())
JWE = ".".join([part({"alg": "RSA-OAEP", "enc": "A256GCM"}), *(part(b"x" * 20) for _ in range(4))])
TABLE: dict[str, tuple[str, Callable[[], str]]] = {
    # no token, or not one
    "empty": ("not-a-token", lambda: ""),
    "one part": ("not-a-token", lambda: "abc"),
    "two parts": ("not-a-token", lambda: t().rpartition(".")[0]),
    "no signature": ("not-a-token", lambda: t().rpartition(".")[0] + "."),
    "four parts": ("not-a-token", lambda: t() + ".abc"),
    "an encrypted token (five parts)": ("not-a-token", lambda: JWE),
    "padding": ("not-a-token", lambda: t() + "=="),
    "a standard base64 sign": ("not-a-token", lambda: t()[:-1] + "+"),
    "100 KB": ("not-a-token", lambda: t(padding="x" * 75_000)),
    "just too long": ("not-a-token", lambda: t(padding="x" * 6_000)),
    "two tokens, one after another": ("not-a-token", lambda: f"{t()} {t()}"),
    "two tokens with a comma": ("not-a-token", lambda: f"{t()},{t()}"),
    "a space before": ("not-a-token", lambda: " " + t()),
    "a tab before": ("not-a-token", lambda: "\t" + t()),
    "a space inside": ("not-a-token", lambda: t().replace(".", ". ", 1)),
    "quotes around": ("not-a-token", lambda: f'"{t()}"'),
    "a parameter after": ("not-a-token", lambda: t() + ", realm=x"),
    "letters beyond ASCII": ("not-a-token", lambda: t().replace("e", "é", 1)),
    # header
    "alg none": ("not-a-token", lambda: bare({"alg": "none", "typ": "JWT", "kid": ES.kid})),
    "alg none with a signature": ("algorithm", lambda: head(alg="none")),
    "alg None": ("algorithm", lambda: head(alg="None")),
    "alg nOnE": ("algorithm", lambda: head(alg="nOnE")),
    "no alg": ("algorithm", lambda: head(alg=None)),
    "alg as a list": ("algorithm", lambda: head(alg=["ES384"])),
    "alg in small letters": ("algorithm", lambda: head(alg="es384")),
    "alg with a space": ("algorithm", lambda: head(alg="ES384 ")),
    "HS256 with the public key as JWK": ("algorithm", lambda: forged("HS256", dumped(ES.jwk()))),
    "HS256 with the public key as PEM": ("algorithm", lambda: forged("HS256", pem(ES))),
    "HS384 with the public key as PEM": ("algorithm", lambda: forged("HS384", pem(ES))),
    "HS512 with the RSA key as PEM": ("algorithm", lambda: forged("HS512", pem(RS))),
    "HS256 with an empty secret": ("algorithm", lambda: forged("HS256", b"")),
    "RS384 in the header of an EC key": ("signature", lambda: head(alg="RS384")),
    "ES384 in the header of an RSA key": ("signature", lambda: RS.token(ORDER_SIGN, head={"alg": "ES384"})),
    "RS256 where the key says RS384": ("signature", lambda: Signer(RS.kid, "RS256", RS.private).token(ORDER_SIGN)),
    "ES256 in the header of a P-384 key": ("signature", lambda: head(alg="ES256")),
    "PS384": ("algorithm", lambda: RS.token(ORDER_SIGN, head={"alg": "PS384"})),
    "ES512": ("algorithm", lambda: head(alg="ES512")),
    "EdDSA": ("algorithm", lambda: head(alg="EdDSA")),
    "no typ": ("header", lambda: head(typ=None)),
    "another typ": ("header", lambda: head(typ="at+jwt")),
    "typ as an object": ("header", lambda: head(typ={"JWT": 1})),
    "no kid": ("key-id", lambda: head(kid=None)),
    "an empty kid": ("key-id", lambda: head(kid="")),
    "kid as a number": ("key-id", lambda: head(kid=1)),
    "kid as a list": ("key-id", lambda: head(kid=[ES.kid])),
    "kid very long": ("key-id", lambda: head(kid="k" * 4000)),
    "kid a path": ("unknown-key", lambda: head(kid="../../../../dev/null")),
    "kid a file address": ("unknown-key", lambda: head(kid="file:///proc/self/environ")),
    "kid of SQL": ("unknown-key", lambda: head(kid="key-ES384' UNION SELECT 'x' --")),
    "kid of a shell": ("unknown-key", lambda: head(kid="$(id)|id")),
    "kid with another letter that looks the same": ("unknown-key", lambda: head(kid="kеy-ES384")),
    "kid with NUL": ("unknown-key", lambda: head(kid="key-ES384\x00")),
    "kid in capitals": ("unknown-key", lambda: head(kid="KEY-ES384")),
    "kid of half a surrogate": (
        "header",
        lambda: ES.signed(b'{"alg":"ES384","typ":"JWT","kid":"\\ud800"}', sound_claims()),
    ),
    "a key in the header": ("header", lambda: FOREIGN.token(ORDER_SIGN, head={"jwk": OTHER.jwk()})),
    "the right key in the header": ("header", lambda: head(jwk=ES.jwk())),
    "x5c": ("header", lambda: FOREIGN.token(ORDER_SIGN, head={"x5c": ["MIIB"]})),
    "x5u": ("header", lambda: FOREIGN.token(ORDER_SIGN, head={"x5u": "https://evil.example/c.pem"})),
    "a foreign jku": ("jku", lambda: FOREIGN.token(ORDER_SIGN, head={"jku": "https://evil.example/keys"})),
    "a jku nobody agreed on": ("jku", lambda: head(jku="https://ehr.example/keys")),
    "an empty jku": ("jku", lambda: head(jku="")),
    "jku null": ("jku", lambda: ES.signed(b'{"alg":"ES384","typ":"JWT","kid":"key-ES384","jku":null}', sound_claims())),
    "crit": ("header", lambda: head(crit=["exp"], exp=1)),
    "b64 false": ("header", lambda: head(b64=False, crit=["b64"])),
    "b64 alone": ("header", lambda: head(b64=False)),
    "zip": ("header", lambda: head(zip="DEF")),
    "enc": ("header", lambda: head(enc="A256GCM")),
    "a header member twice": ("header", lambda: twice_in("header")),
    "a header that is a list": ("header", lambda: ES.signed(["ES384"], sound_claims())),
    "a header that is no JSON": ("header", lambda: ES.signed(b"{'alg': 'ES384'}", sound_claims())),
    "a header that is not UTF-8": ("header", lambda: ES.signed(b'{"alg":"\xff"}', sound_claims())),
    "a header nested too deep": ("header", lambda: ES.signed(b'{"a":' * 500 + b"1" + b"}" * 500, sound_claims())),
    # signature
    "another key under the known id": ("signature", lambda: FOREIGN.token(ORDER_SIGN)),
    "another key under its own id": ("unknown-key", lambda: OTHER.token(ORDER_SIGN)),
    "a signature cut short": ("signature", lambda: resigned(lambda s: s[:-1])),
    "a signature with a byte more": ("signature", lambda: resigned(lambda s: s + b"\0")),
    "one bit of the signature changed": ("signature", lambda: resigned(lambda s: s[:5] + bytes([s[5] ^ 1]) + s[6:])),
    "one bit of an RSA signature changed": (
        "signature",
        lambda: resigned(lambda s: s[:5] + bytes([s[5] ^ 1]) + s[6:], RS),
    ),
    "a signature of zeros": ("signature", lambda: resigned(lambda s: bytes(96))),
    "r zero": ("signature", lambda: resigned(lambda s: bytes(48) + s[48:])),
    "s zero": ("signature", lambda: resigned(lambda s: s[:48] + bytes(48))),
    "r and s one": ("signature", lambda: resigned(lambda s: (bytes(47) + b"\1") * 2)),
    "r and s the order of the curve": ("signature", lambda: resigned(lambda s: ORDER_OF_P384.to_bytes(48, "big") * 2)),
    "a signature in DER": ("signature", der_signed),
    "an empty RSA signature of zeros": ("signature", lambda: resigned(lambda s: bytes(256), RS)),
    "a signature spelt otherwise": ("signature", spelt_otherwise),
    "the signature of another token": ("signature", lambda: t().rpartition(".")[0] + "." + t().rpartition(".")[2]),
    "claims changed after signing": (
        "signature",
        lambda: ".".join([t().split(".")[0], part(sound_claims()), t().split(".")[2]]),
    ),
    # claims
    "claims that are a list": ("claims", lambda: ES.signed({"alg": "ES384", "typ": "JWT", "kid": ES.kid}, [1])),
    "a token in a token": (
        "claims",
        lambda: ES.signed({"alg": "ES384", "typ": "JWT", "kid": ES.kid, "cty": "JWT"}, t()),
    ),
    "a claim twice": ("claims", lambda: twice_in("claims")),
    "claims with NaN": ("claims", lambda: t(exp=float("nan"))),
    "no iss": ("issuer", lambda: t(iss=None)),
    "an unknown issuer": ("issuer", lambda: t(iss="https://evil.example")),
    "the issuer with a slash": ("issuer", lambda: t(iss=ISSUER + "/")),
    "the issuer in capitals": ("issuer", lambda: t(iss=ISSUER.upper())),
    "the issuer as a beginning": ("issuer", lambda: t(iss=ISSUER + ".evil.example")),
    "half of the issuer": ("issuer", lambda: t(iss="https://ehr.example")),
    "an empty issuer": ("issuer", lambda: t(iss="")),
    "iss as a list": ("issuer", lambda: t(iss=[ISSUER])),
    "iss as an object": ("issuer", lambda: t(iss={"": ISSUER})),
    "iss as a number": ("issuer", lambda: t(iss=1)),
    "no aud": ("audience", lambda: t(aud=None)),
    "an empty aud": ("audience", lambda: t(aud="")),
    "an empty list of aud": ("audience", lambda: t(aud=[])),
    "aud as a number": ("audience", lambda: t(aud=1)),
    "aud as an object": ("audience", lambda: t(aud={BASE + ORDER_SIGN: 1})),
    "aud with a number among texts": ("audience", lambda: t(aud=[BASE + ORDER_SIGN, 1])),
    "aud a list in a list": ("audience", lambda: t(aud=[[BASE + ORDER_SIGN]])),
    "aud others only": ("audience", lambda: t(aud=["https://a.example", "https://b.example"])),
    "aud another host": ("audience", lambda: t(aud="https://cds.example.evil.example" + ORDER_SIGN)),
    "aud by http": ("audience", lambda: t(aud="http://cds.example" + ORDER_SIGN)),
    "aud another port": ("audience", lambda: t(aud="https://cds.example:8443" + ORDER_SIGN)),
    "aud with http's port": ("audience", lambda: t(aud="https://cds.example:80" + ORDER_SIGN)),
    "aud another service": ("audience", lambda: t(aud=BASE + ORDER_SELECT)),
    "aud the feedback": ("audience", lambda: t(aud=BASE + FEEDBACK)),
    "aud discovery": ("audience", lambda: t(aud=BASE + "/cds-services")),
    "aud in other capitals": ("audience", lambda: t(aud=BASE + ORDER_SIGN.upper())),
    "aud with a query": ("audience", lambda: t(aud=BASE + ORDER_SIGN + "?a=b")),
    "aud with a fragment": ("audience", lambda: t(aud=BASE + ORDER_SIGN + "#a")),
    "aud with a user": ("audience", lambda: t(aud="https://u@cds.example" + ORDER_SIGN)),
    "aud with a space": ("audience", lambda: t(aud=BASE + ORDER_SIGN + " ")),
    "aud with a line end": ("audience", lambda: t(aud=BASE + ORDER_SIGN + "\n")),
    "aud with dots": ("audience", lambda: t(aud=f"{BASE}/x/..{ORDER_SIGN}")),
    "aud percent-encoded": ("audience", lambda: t(aud=BASE + ORDER_SIGN.replace("-", "%2D"))),
    "aud with a letter that folds to ASCII": ("audience", lambda: t(aud="httpſ://cds.example" + ORDER_SIGN)),
    "aud a backslash": ("audience", lambda: t(aud=BASE + ORDER_SIGN.replace("/", "\\"))),
    "aud a path alone": ("audience", lambda: t(aud=ORDER_SIGN)),
    "no exp": ("times", lambda: t(exp=None)),
    "exp as text": ("times", lambda: t(exp=str(AT + 300))),
    "exp as a list": ("times", lambda: t(exp=[AT + 300])),
    "exp true": ("times", lambda: t(exp=True)),
    "exp without end": ("times", lambda: t(exp=10**18)),
    "exp in milliseconds": ("times", lambda: t(exp=(AT + 300) * 1000)),
    "exp negative": ("times", lambda: t(exp=-1)),
    "expired": ("expired", lambda: t(exp=AT - 61, iat=AT - 100)),
    "long expired": ("expired", lambda: t(exp=AT - 86400, iat=AT - 86700)),
    "no iat": ("times", lambda: t(iat=None)),
    "iat as text": ("times", lambda: t(iat=str(AT))),
    "iat true": ("times", lambda: t(iat=True)),
    "issued in the future": ("issued-at", lambda: t(iat=AT + 61, exp=AT + 400)),
    "expired before it was issued": ("issued-at", lambda: t(iat=AT + 10, exp=AT + 5)),
    "too old, though it has not expired": ("too-old", lambda: t(iat=AT - 361, exp=AT + 86400)),
    "issued in the year 1970": ("too-old", lambda: t(iat=1, exp=AT + 300)),
    "not valid yet": ("not-yet-valid", lambda: t(nbf=AT + 61)),
    "nbf as text": ("times", lambda: t(nbf=str(AT))),
    "nbf null": ("times", lambda: ES.signed({"alg": "ES384", "typ": "JWT", "kid": ES.kid}, sound_claims(nbf=None))),
    "no jti": ("token-id", lambda: t(jti=None)),
    "an empty jti": ("token-id", lambda: t(jti="")),
    "jti as a number": ("token-id", lambda: t(jti=7)),
    "jti as an object": ("token-id", lambda: t(jti={"a": 1})),
    "jti very long": ("token-id", lambda: t(jti="j" * 513)),
    "sub as a number": ("claims", lambda: t(sub=1)),
    "tenant as a list": ("claims", lambda: t(tenant=["north"])),
    "a tenant of the wrong type under the client's own name": (
        "claims",
        lambda: t(iss="https://tenants.example", org={"north": 1}),
    ),
}
