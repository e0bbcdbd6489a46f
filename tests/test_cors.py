"""CORS: what a browser needs to see on every answer."""

from __future__ import annotations

import pytest

from cds_service.config import Config

from .protocol import ENDPOINTS, FEEDBACK, ORDER_SIGN, client, order_sign, post

OURS = "https://ehr.example"
TWO = Config(allowed_origins=(OURS, "https://other.example"))
ONE = Config(allowed_origins=(OURS,))


def preflight(path: str, config: Config, origin: str = OURS, asked: str = "authorization,content-type"):  # type: ignore[no-untyped-def]
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked}
    return client(config).options(path, headers=headers)


@pytest.mark.parametrize("path", [*ENDPOINTS, "/cds-services/", "/cds-services//bone-health-order-sign"])
@pytest.mark.parametrize("asked", ["authorization,content-type", "content-type"])
def test_a_preflight_is_answered_on_every_endpoint(path: str, asked: str) -> None:
    """SVC-200, SVC-201."""
    response = preflight(path, Config(), asked=asked)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"


def test_every_answer_names_the_origin_errors_included() -> None:
    """SVC-202, SVC-203."""
    caller = client(Config(max_body=1000))
    answers = {
        200: post(caller, ORDER_SIGN, order_sign()),
        400: post(caller, ORDER_SIGN, {}),
        404: caller.get("/nope"),
        405: caller.get(FEEDBACK),
        413: post(caller, ORDER_SIGN, {"x": "x" * 1000}),
        415: post(caller, ORDER_SIGN, {}, content_type="text/plain"),
    }
    for status, response in answers.items():
        assert response.status_code == status
        assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("config", [ONE, TWO], ids=["one", "two"])
def test_a_listed_origin_is_echoed_and_another_is_not(config: Config) -> None:
    """SVC-203, SVC-204."""
    caller = client(config)
    for origin, named in ((OURS, [OURS]), ("https://evil.example", []), (OURS + ".evil.example", []), ("null", [])):
        for response in (
            caller.get("/cds-services", headers={"Origin": origin}),
            preflight("/cds-services", config, origin),
        ):
            assert response.headers.getlist("Access-Control-Allow-Origin") == named
            assert "Origin" in response.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in response.headers


def test_without_an_origin_no_listed_origin_is_given_away() -> None:
    response = client(TWO).get("/cds-services")
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Vary"] == "Origin"
