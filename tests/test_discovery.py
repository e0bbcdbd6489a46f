"""Discovery and the addresses around it."""

from __future__ import annotations

import pytest

from cds_service import schemas

from .protocol import ENDPOINTS, ORDER_SIGN, client, is_outcome, order_sign


def test_discovery_lists_sound_services_the_same_each_time() -> None:
    """SVC-002 to 004, SVC-007, SVC-010, SVC-011, SVC-013 to 019, SVC-024 to 026."""
    caller = client()
    response = caller.get("/cds-services")
    assert (response.status_code, response.content_type) == (200, "application/json")
    schemas.check(response.get_json(), "discovery")
    assert caller.get("/cds-services").get_data() == response.get_data()


def test_a_service_is_listed_once_and_can_be_called() -> None:
    """SVC-016, SVC-022, CLI-019."""
    caller = client()
    services = caller.get("/cds-services").get_json()["services"]
    assert len({service["id"] for service in services}) == len(services) > 0
    for service in services:
        # An empty body reaches the service and is refused there; an address that does not exist would be a 404.
        assert caller.post(f"/cds-services/{service['id']}").status_code == 400


def test_head_works_on_discovery() -> None:
    """SVC-084."""
    response = client().head("/cds-services")
    assert (response.status_code, response.get_data()) == (200, b"")


@pytest.mark.parametrize("path", ["/cds-services/", "//cds-services", "//cds-services//"])
def test_an_address_joined_carelessly_is_served_without_redirect(path: str) -> None:
    """CLI-026."""
    response = client().get("/", environ_overrides={"PATH_INFO": path})
    assert response.status_code == 200
    assert "services" in response.get_json()


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/cds-services"), ("DELETE", "/cds-services"), ("GET", ORDER_SIGN), ("PUT", f"{ORDER_SIGN}/feedback")],
)
def test_a_wrong_method_is_405_and_says_which_are_right(method: str, path: str) -> None:
    """SVC-083, SVC-173."""
    response = client().open(path, method=method)
    assert response.status_code == 405
    assert ("GET" if path == "/cds-services" else "POST") in response.headers["Allow"]
    assert is_outcome(response)


@pytest.mark.parametrize("path", ["/nope", "/cds-services/x/y", "/cds-services/bone-health-order-sign/feedback/x"])
def test_an_unknown_address_is_404(path: str) -> None:
    """SVC-082."""
    response = client().get(path)
    assert response.status_code == 404
    assert is_outcome(response)


@pytest.mark.parametrize("path", ENDPOINTS)
def test_every_answer_forbids_sniffing_and_storing(path: str) -> None:
    caller = client()
    response = caller.get(path) if path == "/cds-services" else caller.post(path, json=order_sign())
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


def test_the_root_points_to_discovery() -> None:
    assert client().get("/").get_json()["discovery"] == "/cds-services"
