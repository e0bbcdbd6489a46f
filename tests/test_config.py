"""The environment: what is understood, and what stops the start."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from cds_service.config import Config, ConfigError, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    as_shipped = Config(records="sqlite:///cds-records.sqlite")
    assert from_environment({}) == as_shipped
    assert from_environment({"CDS_TIMEZONE": "", "CDS_MAX_BODY": " "}) == as_shipped
    assert Config().max_body == 5_000_000
    assert Config().any_origin


def test_every_variable_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("{}", encoding="utf-8")
    given = {
        "CDS_MANIFEST": str(file),
        "CDS_TIMEZONE": "Europe/Berlin",
        "CDS_MAX_BODY": "1",
        "CDS_ALLOWED_ORIGINS": "https://a.example, http://127.0.0.1:8600",
        "CDS_RXNORM": str(file),
        "CDS_LOG_LEVEL": "WARNING",
        "CDS_CLIENTS": str(file),
        "CDS_AUTH": "required",
        "CDS_BASE_URL": "https://cds.example/bone/",
        "CDS_SHARED_STORE": "redis://cache.example/1",
        "CDS_DEVELOPMENT": "1",
        "CDS_RECORDS": "postgresql://db.example/cds",
        "CDS_RECORD_COMMENTS": "1",
    }
    origins = ("https://a.example", "http://127.0.0.1:8600")
    expected = Config(
        manifest=file,
        timezone=zoneinfo.ZoneInfo("Europe/Berlin"),
        max_body=1,
        allowed_origins=origins,
        rxnorm=file,
        log_level="warning",
        clients=file,
        auth="required",
        base_url="https://cds.example/bone",
        shared_store="redis://cache.example/1",
        development=True,
        records="postgresql://db.example/cds",
        record_comments=True,
    )
    assert from_environment(given) == expected
    assert not expected.any_origin


def test_records_can_be_off() -> None:
    assert from_environment({"CDS_RECORDS": "off"}).records == ""


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CDS_MANIFEST", "/no/such/file"),
        ("CDS_RXNORM", "/"),
        ("CDS_TIMEZONE", "Mars/Olympus"),
        ("CDS_TIMEZONE", "../etc/passwd"),
        ("CDS_TIMEZONE", "Europe"),
        ("CDS_MAX_BODY", "0"),
        ("CDS_MAX_BODY", "-1"),
        ("CDS_MAX_BODY", "5MB"),
        ("CDS_MAX_BODY", "²"),
        ("CDS_ALLOWED_ORIGINS", "ehr.example"),
        ("CDS_ALLOWED_ORIGINS", "https://ehr.example/"),
        ("CDS_ALLOWED_ORIGINS", "https://*.example"),
        ("CDS_ALLOWED_ORIGINS", "*, https://ehr.example"),
        ("CDS_ALLOWED_ORIGINS", "null"),
        ("CDS_LOG_LEVEL", "loud"),
        ("CDS_CLIENTS", "/no/such/file"),
        ("CDS_AUTH", "on"),
        ("CDS_AUTH", "Off"),
        ("CDS_BASE_URL", "cds.example"),
        ("CDS_BASE_URL", "https://cds.example/cds-services"),
        ("CDS_BASE_URL", "https://cds.example/?a"),
        ("CDS_BASE_URL", "https://u:p@cds.example"),
        ("CDS_DEVELOPMENT", "yes"),
    ],
)
def test_a_wrong_value_stops_the_start_and_says_what_would_do(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment({variable: value})
    assert str(caught.value).startswith(f"{variable}: got {value!r}, expected ")


def test_with_clients_the_base_url_is_needed_unless_nobody_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^CDS_BASE_URL: got '', expected the address of this service"):
        from_environment({"CDS_CLIENTS": str(file)})
    assert from_environment({"CDS_CLIENTS": str(file), "CDS_AUTH": "off"}).clients == file


def test_authentication_is_not_required_of_nobody() -> None:
    with pytest.raises(ConfigError, match=r"^CDS_CLIENTS: got '', expected the file"):
        from_environment({"CDS_AUTH": "required"})
