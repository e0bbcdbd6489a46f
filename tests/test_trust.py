"""Callers: whom a token lets in, what no token does, and that nobody learns why."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.clients import ClientsError
from cds_service.config import Config, ConfigError
from cds_service.web import create_app, replay, shared_store
from cds_service.web.outcomes import Issue

from .hostile_tokens import ES, FOREIGN, ORDER_OF_P384, RS, TABLE, sound_claims
from .protocol import FEEDBACK, ORDER_SELECT, ORDER_SIGN, catalogue, is_outcome, order_sign, post
from .tokens import (
    BASE,
    ISSUER,
    NOW,
    Json,
    Signer,
    call,
    guarded,
    key_set,
    known,
    part,
    service,
    signer,
    token_id,
    written,
)

FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ACCEPTED_FEEDBACK = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-25T12:00:00Z"}


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A service that knows one client with an EC and an RSA key, and a second one of two tenants."""
    folder = tmp_path_factory.mktemp("ehr")
    tenants = known(id="tenants", issuer="https://tenants.example", tenants=["north", "south"], tenantClaim="org")
    file = written(folder, known(), tenants, keys=key_set(ES, RS))
    return service(guarded(folder, file))


def logged(capsys: pytest.CaptureFixture[str]) -> Json:
    line: Json = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line


# --- whom it lets in --------------------------------------------------------------------------------------------------


def test_a_sound_token_is_let_in_and_the_log_names_the_client(
    ehr: FlaskClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """SVC-182."""
    response = call(ehr, ES.token(ORDER_SIGN))
    assert response.status_code == 200
    assert response.get_json() == {"cards": []}
    assert logged(capsys)["client"] == "ehr"


@pytest.mark.parametrize("algorithm", ["ES384", "RS384", "ES256", "RS256"])
def test_each_of_the_four_algorithms_is_understood(algorithm: str, tmp_path: Path) -> None:
    """SVC-185."""
    one = signer(algorithm)
    caller = service(guarded(tmp_path, written(tmp_path, known(), keys=key_set(one))))
    assert call(caller, one.token(ORDER_SIGN)).status_code == 200


def test_an_rsa_key_without_alg_signs_with_either_of_its_two(tmp_path: Path) -> None:
    keys = {"keys": [RS.jwk(alg=None)]}
    caller = service(guarded(tmp_path, written(tmp_path, known(), keys=keys)))
    assert call(caller, RS.token(ORDER_SIGN)).status_code == 200
    assert call(caller, Signer(RS.kid, "RS256", RS.private).token(ORDER_SIGN)).status_code == 200


def test_a_client_s_algorithms_bind_although_its_key_could_do_more(tmp_path: Path) -> None:
    file = written(tmp_path, known(algorithms=["RS384"]), keys={"keys": [RS.jwk(alg=None), ES.jwk()]})
    caller = service(guarded(tmp_path, file))
    assert call(caller, RS.token(ORDER_SIGN)).status_code == 200
    assert call(caller, Signer(RS.kid, "RS256", RS.private).token(ORDER_SIGN)).status_code == 401
    assert call(caller, ES.token(ORDER_SIGN)).status_code == 401


EPIC = "https://fhir.epic.example/interconnect/api/FHIR/R4"
EPIC_KEYS = "https://fhir.epic.example/interconnect/api/epic/2019/Security/Open/PublicKeys/530013/530013"
SANDBOX = "https://sandbox.cds-hooks.org"


def test_a_token_as_epic_sends_it_is_let_in(tmp_path: Path) -> None:
    """CLI-022: RS384, base64 in the key id, sub, nbf five minutes back, a quarter of an hour to live."""
    epic = Signer("d3bmo5HzW61TUgikHZH+A8Tx4UOXz2iOs4KvVU4eLY0=", "RS384", RS.private)
    member = known(issuer=EPIC, keys={"file": "keys.json", "jku": EPIC_KEYS}, algorithms=["RS384"])
    caller = service(guarded(tmp_path, written(tmp_path, member, keys=key_set(epic))))
    now = int(NOW.timestamp())
    claims: Json = {"iss": EPIC, "sub": "6dd1-client", "nbf": now - 300, "exp": now + 900}
    assert call(caller, epic.token(ORDER_SIGN, head={"jku": EPIC_KEYS}, **claims)).status_code == 200
    assert call(caller, epic.token(ORDER_SIGN, head={"jku": EPIC_KEYS + "/"}, **claims)).status_code == 401


def test_a_token_as_oracle_sends_it_is_let_in_for_its_tenant(tmp_path: Path) -> None:
    """SVC-190, SVC-194."""
    issuer, tenant = "https://authorization.oracle.example", "ec2458f2-1e24-41c8-b71b-0e701af7583d"
    member = known(issuer=issuer, tenants=[tenant])
    caller = service(guarded(tmp_path, written(tmp_path, member)))
    assert call(caller, ES.token(ORDER_SIGN, iss=issuer, tenant=tenant)).status_code == 200
    assert call(caller, ES.token(ORDER_SIGN, iss=issuer, tenant="another")).status_code == 403


def test_a_token_as_the_public_sandbox_sends_it_is_let_in_on_a_machine_for_development(tmp_path: Path) -> None:
    keys = f"{SANDBOX}/.well-known/jwks.json"
    file = written(tmp_path, known(issuer=SANDBOX, keys={"file": "keys.json", "jku": keys}))
    caller = service(guarded(tmp_path, file, development=True))
    for path, body in ((ORDER_SIGN, order_sign()), (FEEDBACK, {"feedback": [ACCEPTED_FEEDBACK]})):
        token = ES.token(path, head={"jku": keys}, iss=SANDBOX)
        assert call(caller, token, path, body=body).status_code == 200
    with pytest.raises(ClientsError, match="everybody has its private key"):
        service(guarded(tmp_path, file))


@pytest.mark.parametrize(
    "audience",
    [
        BASE + ORDER_SIGN,
        [BASE + ORDER_SIGN],
        ["https://other.example", BASE + ORDER_SIGN],
        BASE + ORDER_SIGN + "/",
        f"{BASE}//cds-services//bone-health-order-sign",
        "HTTPS://CDS.Example" + ORDER_SIGN,
        "https://cds.example:443" + ORDER_SIGN,
        BASE,
        BASE + "/",
    ],
)
def test_an_audience_that_is_this_call_is_recognised_in_every_spelling(ehr: FlaskClient, audience: object) -> None:
    assert call(ehr, ES.token(ORDER_SIGN, aud=audience)).status_code == 200


@pytest.mark.parametrize("audience", ["urn:hospital:cds", "https://cds.internal:8443/bone", "CDS"])
def test_a_configured_alias_counts_like_the_base_url(tmp_path: Path, audience: str) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known(audiences=[audience]))))
    assert call(caller, ES.token(ORDER_SIGN, aud=audience)).status_code == 200
    assert call(caller, ES.token(ORDER_SIGN, aud=audience + ORDER_SIGN)).status_code == 200
    assert call(caller, ES.token(ORDER_SIGN, aud=audience + "x")).status_code == 401


def test_a_base_url_with_a_path_is_part_of_the_audience(tmp_path: Path) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known()), base_url=BASE + "/bone"))
    assert call(caller, ES.token(ORDER_SIGN, aud=f"{BASE}/bone{ORDER_SIGN}")).status_code == 200
    assert call(caller, ES.token(ORDER_SIGN)).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_written_in_any_case(ehr: FlaskClient, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {ES.token(ORDER_SIGN)}"}
    assert post(ehr, ORDER_SIGN, order_sign(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("late", "status"),
    [(-60, 200), (-61, 401), (0, 200), (359, 200), (360, 401)],
)
def test_a_clock_may_differ_by_the_skew_and_not_by_more(ehr: FlaskClient, late: int, status: int) -> None:
    """SVC-188, CLI-024: the token lives 300 seconds, the clocks may differ by 60."""
    assert call(ehr, ES.token(ORDER_SIGN, now=NOW - timedelta(seconds=late))).status_code == status


@pytest.mark.parametrize(("age", "status"), [(130, 200), (131, 401)])
def test_a_token_may_be_as_old_as_the_client_s_maximum_whatever_its_own_end(
    tmp_path: Path, age: int, status: int
) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known(maxAgeSeconds=100, clockSkewSeconds=30))))
    then = NOW - timedelta(seconds=age)
    token = ES.token(ORDER_SIGN, now=then, exp=int(NOW.timestamp()) + 86400)
    assert call(caller, token).status_code == status


def test_times_with_fractions_are_times(ehr: FlaskClient) -> None:
    now = NOW.timestamp()
    assert call(ehr, ES.token(ORDER_SIGN, iat=now - 0.5, nbf=now - 0.5, exp=now + 99.5)).status_code == 200


def test_of_two_clients_with_one_issuer_the_tenant_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = (known(id="north", tenants=["n"], services=["bone-health-order-sign"]), known(id="south", tenants=["s"]))
    caller = service(guarded(tmp_path, written(tmp_path, *members)))
    for tenant, name in (("n", "north"), ("s", "south")):
        assert call(caller, ES.token(ORDER_SIGN, tenant=tenant)).status_code == 200
        assert logged(capsys)["client"] == name
    assert call(caller, ES.token(ORDER_SIGN, tenant="w")).status_code == 403
    assert call(caller, ES.token(ORDER_SIGN, tenant=["n"])).status_code == 401
    assert call(caller, FOREIGN.token(ORDER_SIGN, tenant="w")).status_code == 401


def test_a_service_that_was_not_given_is_403_for_its_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SVC-194."""
    caller = service(guarded(tmp_path, written(tmp_path, known(services=["bone-health-order-sign"]))))
    assert call(caller, ES.token(ORDER_SIGN)).status_code == 200
    response = call(caller, ES.token(ORDER_SELECT), ORDER_SELECT)
    assert response.status_code == 403
    assert is_outcome(response)
    assert logged(capsys)["refused"] == "service"
    assert call(caller, FOREIGN.token(ORDER_SELECT), ORDER_SELECT).status_code == 401


# --- whom nothing lets in ---------------------------------------------------------------------------------------------


AT = int(NOW.timestamp())


def body_of_401(caller: FlaskClient) -> bytes:
    """What everybody is told who is not let in."""
    response = post(caller, ORDER_SIGN, order_sign())
    assert response.status_code == 401
    return response.get_data()


@pytest.mark.parametrize("name", TABLE)
def test_a_hostile_token_is_refused_and_nobody_learns_why(
    ehr: FlaskClient, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """SVC-183, SVC-184, SVC-186, SVC-187, SVC-188, SVC-192, SVC-193, SVC-198. The log knows the word beside each."""
    why, make = TABLE[name]
    token = make()
    response = call(ehr, token)
    assert response.status_code == 401
    assert is_outcome(response)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert logged(capsys)["refused"] == why
    assert response.get_data() == body_of_401(ehr)


def test_the_table_is_long_enough() -> None:
    assert len(TABLE) >= 100


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Token {}",
        "JWT {}",
        "DPoP {}",
        "{}",
        "Bearer{}",
        "Bearer  {}",
        "Bearer\t{}",
        "Bearer={}",
        "Bearer: {}",
        "Bearer Bearer {}",
        "Basic x, Bearer {}",
        'Bearer realm="x", {}',
        "Bearer {}\u00a0",
    ],
)
def test_a_header_of_another_shape_is_refused_even_with_a_sound_token(ehr: FlaskClient, value: str) -> None:
    headers = {"Authorization": value.format(ES.token(ORDER_SIGN))}
    response = post(ehr, ORDER_SIGN, order_sign(), headers=headers)
    assert response.status_code == 401
    assert response.get_data() == body_of_401(ehr)


def test_two_headers_are_refused_although_each_would_be_let_in(ehr: FlaskClient) -> None:
    headers = [("Authorization", f"Bearer {ES.token(ORDER_SIGN)}") for _ in range(2)]
    assert post(ehr, ORDER_SIGN, order_sign(), headers=headers).status_code == 401


def test_a_token_anywhere_else_is_not_looked_at(ehr: FlaskClient) -> None:
    token = ES.token(ORDER_SIGN)
    for url, headers in (
        (f"{ORDER_SIGN}?access_token={token}", {}),
        (ORDER_SIGN, {"Cookie": f"access_token={token}"}),
        (ORDER_SIGN, {"X-Authorization": f"Bearer {token}"}),
    ):
        assert post(ehr, url, order_sign(), headers=headers).status_code == 401
    body = {**order_sign(), "fhirServer": ISSUER, "fhirAuthorization": {"access_token": token}}
    assert call(ehr, None, body=body).status_code == 401


def test_a_wrong_tenant_and_none_are_403(ehr: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    """SVC-190, SVC-194."""
    issuer = "https://tenants.example"
    assert call(ehr, ES.token(ORDER_SIGN, iss=issuer, org="south")).status_code == 200
    for claims in ({"org": "west"}, {}, {"tenant": "south"}, {"org": "South"}, {"org": ""}):
        response = call(ehr, ES.token(ORDER_SIGN, iss=issuer, **claims))
        assert response.status_code == 403
        assert is_outcome(response, "west")
        assert logged(capsys)["refused"] == "tenant"


# --- each token once --------------------------------------------------------------------------------------------------


def test_a_token_is_let_in_once(ehr: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    """SVC-189."""
    token = ES.token(ORDER_SIGN)
    assert call(ehr, token).status_code == 200
    for _ in range(3):
        assert call(ehr, token).status_code == 401
        assert logged(capsys)["refused"] == "replay"


def test_the_same_id_in_another_token_of_the_issuer_is_a_replay(ehr: FlaskClient) -> None:
    name = token_id()
    assert call(ehr, ES.token(ORDER_SIGN, jti=name)).status_code == 200
    assert call(ehr, RS.token(ORDER_SIGN, jti=name, aud=BASE)).status_code == 401
    assert call(ehr, ES.token(ORDER_SIGN, jti=name, iss="https://tenants.example", org="north")).status_code == 200


def test_the_twin_of_a_signature_is_a_replay(ehr: FlaskClient) -> None:
    """Whoever has an ECDSA signature (r, s) can make (r, n - s) of it, which is as good."""
    message, _, _ = ES.token(ORDER_SIGN).rpartition(".")
    r, s = decode_dss_signature(ES.private.sign(message.encode(), ec.ECDSA(hashes.SHA384())))
    one, twin = (r.to_bytes(48, "big") + x.to_bytes(48, "big") for x in (s, ORDER_OF_P384 - s))
    assert call(ehr, f"{message}.{part(one)}").status_code == 200
    assert call(ehr, f"{message}.{part(twin)}").status_code == 401


def test_a_token_that_is_refused_is_not_spent(ehr: FlaskClient) -> None:
    name = token_id()
    assert call(ehr, FOREIGN.token(ORDER_SIGN, jti=name)).status_code == 401
    assert call(ehr, ES.token(ORDER_SELECT, jti=name)).status_code == 401
    assert call(ehr, ES.token(ORDER_SIGN, jti=name)).status_code == 200


def test_a_token_is_a_replay_as_long_as_it_could_be_used(tmp_path: Path) -> None:
    """The skew included: it lives 300 seconds and is good for 360."""
    config = guarded(tmp_path, written(tmp_path, known()))
    token, other = ES.token(ORDER_SIGN), ES.token(ORDER_SIGN)
    clock = iter([NOW + timedelta(seconds=later) for later in (-60, 0, 299, 301, 359, 359)])
    caller = create_app(config, catalogue(), lambda: next(clock)).test_client()
    gate_only = [call(caller, one, path=ORDER_SIGN, body={"not": "sound"}).status_code for one in (*[token] * 5, other)]
    assert gate_only == [400, 401, 401, 401, 401, 400]


def test_nobody_is_let_in_while_spent_tokens_cannot_be_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known())))
    token = ES.token(ORDER_SIGN)
    (tmp_path / "tokens.sqlite").unlink()
    (tmp_path / "tokens.sqlite").mkdir()
    response = call(caller, token)
    assert response.status_code == 503
    assert is_outcome(response, token_id())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["refused"] == "store-down"
    assert any(line["event"] == "shared store not usable" for line in lines)
    assert call(caller, FOREIGN.token(ORDER_SIGN)).status_code == 401


# --- which endpoints ask ----------------------------------------------------------------------------------------------


def test_every_call_and_all_feedback_ask_for_a_token(ehr: FlaskClient) -> None:
    """SVC-175, SVC-181."""
    feedback = {"feedback": [ACCEPTED_FEEDBACK]}
    assert call(ehr, None).status_code == 401
    assert call(ehr, None, FEEDBACK, body=feedback).status_code == 401
    assert call(ehr, ES.token(ORDER_SIGN), FEEDBACK, body=feedback).status_code == 401
    assert call(ehr, ES.token(FEEDBACK), FEEDBACK, body=feedback).get_json() == {"received": 1}


def test_a_body_is_not_read_before_the_caller_is_known(ehr: FlaskClient) -> None:
    for body in (b"{", b"x" * 6_000_000):
        assert ehr.post(ORDER_SIGN, data=body, content_type="application/json").status_code == 401
    assert ehr.post("/cds-services/unknown", data=b"{", content_type="application/json").status_code == 404
    assert ehr.get(ORDER_SIGN).status_code == 405


@pytest.mark.parametrize("path", ["/cds-services", "/"])
def test_discovery_is_open_whatever_header_comes(ehr: FlaskClient, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {FOREIGN.token(path)}"}):
        assert ehr.get(path, headers=headers).status_code == 200


def test_discovery_asks_for_a_token_where_the_site_says_so(tmp_path: Path) -> None:
    """SVC-181, SVC-187."""
    caller = service(guarded(tmp_path, written(tmp_path, known(services=[]), protectDiscovery=True)))
    path = "/cds-services"
    assert caller.get(path).status_code == 401
    assert caller.get(path, headers={"Authorization": f"Bearer {ES.token(ORDER_SIGN)}"}).status_code == 401
    assert caller.get(path, headers={"Authorization": f"Bearer {ES.token(path)}"}).status_code == 200
    assert caller.get("/").status_code == 200


@pytest.mark.parametrize("path", ["/cds-services", ORDER_SIGN, FEEDBACK])
def test_a_preflight_is_never_asked_for_a_token(tmp_path: Path, path: str) -> None:
    """SVC-201."""
    caller = service(guarded(tmp_path, written(tmp_path, known(), protectDiscovery=True)))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    response = caller.options(path, headers={"Origin": "https://ehr.example", **asked})
    assert response.status_code == 200
    assert "authorization" in response.headers["Access-Control-Allow-Headers"]


# --- without authentication -------------------------------------------------------------------------------------------


def test_where_no_token_is_asked_for_none_is_looked_at(tmp_path: Path) -> None:
    """SVC-198, CLI-021."""
    file = written(tmp_path, known(), {"id": "gateway", "anonymous": True, "services": ["bone-health-order-sign"]})
    caller = service(guarded(tmp_path, file, auth="off"))
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Bearer {FOREIGN.token(ORDER_SIGN)}"}):
        assert post(caller, ORDER_SIGN, order_sign(), headers=headers).status_code == 200
    assert post(caller, ORDER_SELECT, order_sign()).status_code == 403
    assert not (tmp_path / "tokens.sqlite").exists()


@pytest.mark.parametrize("auth", ["", "required"])
def test_a_service_does_not_start_when_nobody_said_who_may_call(auth: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CDS_AUTH"):
        service(Config(auth=auth))
    only_anonymous = written(tmp_path, {"id": "gateway", "anonymous": True})
    with pytest.raises(ConfigError, match="CDS_AUTH"):
        service(guarded(tmp_path, only_anonymous, auth=auth))


def test_a_service_does_not_start_when_spent_tokens_cannot_be_remembered(tmp_path: Path) -> None:
    file = written(tmp_path, known())
    with pytest.raises(ConfigError, match="CDS_SHARED_STORE"):
        service(guarded(tmp_path, file, shared_store=str(tmp_path / "no" / "such" / "folder")))


# --- nothing leaks ----------------------------------------------------------------------------------------------------


def test_no_part_of_a_token_is_in_the_log_or_in_an_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SVC-085, SVC-195."""
    named = Signer("canary-kid", ES.algorithm, ES.private)
    caller = service(guarded(tmp_path, written(tmp_path, known(tenants=["canary-t1"]), keys=key_set(named))))
    claims: Json = {"sub": "canary-sub", "tenant": "canary-t1", "jti": "canary-jti", "canary-claim": "canary-value"}
    good = named.token(ORDER_SIGN, **claims)
    tokens = [
        good,
        good,  # a replay
        named.token(ORDER_SIGN, **{**claims, "jti": "canary-2", "tenant": "canary-t2"}),
        named.token(ORDER_SIGN, **{**claims, "iss": "https://canary.example"}),
        named.token(ORDER_SIGN, **{**claims, "aud": "https://canary.example"}),
        named.token(ORDER_SIGN, head={"kid": "canary-other"}, **claims),
        named.token(ORDER_SIGN, head={"jku": "https://canary.example"}, **claims),
        named.token(ORDER_SIGN, head={"alg": "canary-alg"}, **claims),
        named.signed(b'{"canary', b"canary"),
        "canary canary",
    ]
    answers = [call(caller, token) for token in tokens]
    assert [answer.status_code for answer in answers] == [200, 401, 403, *[401] * 7]

    def down(*_: object) -> bool:
        raise shared_store.StoreDown("disk full")

    monkeypatch.setattr(replay._Sqlite, "spend", down)
    answers.append(call(caller, named.token(ORDER_SIGN, **{**claims, "jti": "canary-3"})))
    assert answers[-1].status_code == 503
    log = capsys.readouterr().out
    assert len(log.splitlines()) > len(tokens)
    pieces = [piece for token in tokens for piece in token.split(".") if len(piece) > 20]
    for text in (log, *(answer.get_data(as_text=True) for answer in answers)):
        assert "canary" not in text
        assert ISSUER not in text
        assert not any(piece in text for piece in pieces)


def test_the_file_of_spent_tokens_holds_no_token_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    caller = service(guarded(tmp_path, written(tmp_path, known())))
    assert call(caller, ES.token(ORDER_SIGN, jti="canary-jti", sub="canary-sub")).status_code == 200
    files = list(tmp_path.glob("tokens.sqlite*"))
    assert files
    for file in files:
        assert b"canary" not in file.read_bytes()
        assert file.stat().st_mode & 0o077 == 0


# --- arbitrary headers ------------------------------------------------------------------------------------------------

_PARTS = st.text("ABCxyz019-_.=, \t", max_size=40)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200)


def never_in(caller: FlaskClient, value: str) -> None:
    response = post(caller, ORDER_SIGN, order_sign(), headers={"Authorization": value})
    assert response.status_code == 401
    assert is_outcome(response)


@FUZZ
@given(
    value=_LATIN
    | _PARTS.map(lambda text: f"Bearer {text}")
    | st.binary().map(lambda b: f"Bearer {part(b)}.{part(b)}.a")
)
def test_an_arbitrary_header_is_never_a_fault_and_never_lets_in(ehr: FlaskClient, value: str) -> None:
    """SVC-198."""
    never_in(ehr, value)


@FUZZ
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jku", "jwk", "crit", "b64", "x"]), _JSON, max_size=4),
    claims=_JSON,
    good=st.booleans(),
)
def test_an_arbitrary_header_of_a_token_is_never_a_fault_and_never_lets_in(
    ehr: FlaskClient, header: Json, claims: object, good: bool
) -> None:
    head = {"alg": "ES384", "typ": "JWT", "kid": ES.kid, **header}
    never_in(ehr, f"Bearer {FOREIGN.signed(head, sound_claims() if good else claims)}")


@FUZZ
@given(name=st.sampled_from(["iss", "aud", "exp", "iat", "nbf", "jti", "sub", "tenant"]), value=_JSON)
def test_an_arbitrary_claim_under_a_good_signature_is_never_a_fault(ehr: FlaskClient, name: str, value: Any) -> None:
    token = ES.signed({"alg": "ES384", "typ": "JWT", "kid": ES.kid}, sound_claims(**{name: value}))
    status = call(ehr, token).status_code
    text, number = isinstance(value, str), isinstance(value, int | float) and not isinstance(value, bool)
    sound = {
        "jti": text and value,
        "sub": text,
        "tenant": text,
        "exp": number and value > AT - 60,
        "nbf": number and 0 < value <= AT + 60,
        "iat": number and AT - 360 <= value <= AT + 60,
    }
    assert status == 401 or (status == 200 and sound.get(name))


@FUZZ
@given(
    place=st.integers(0, 10_000),
    letter=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "),
)
def test_a_sound_token_with_any_one_character_changed_is_refused(ehr: FlaskClient, place: int, letter: str) -> None:
    token = ES.token(ORDER_SIGN)
    at = place % len(token)
    if token[at] != letter:
        never_in(ehr, f"Bearer {token[:at]}{letter}{token[at + 1 :]}")


def test_a_401_is_an_operation_outcome_of_type_login(ehr: FlaskClient) -> None:
    """SVC-086, SVC-193."""
    issue = json.loads(body_of_401(ehr))["issue"]
    assert [set(one) for one in issue] == [set(Issue("login", "x").to_json("error"))]
    assert issue[0]["code"] == "login"
