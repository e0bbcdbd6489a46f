"""The environment: what is understood, and what stops the start."""

from __future__ import annotations

import zoneinfo
from pathlib import Path

import pytest

from cds_service.config import Config, ConfigError, from_environment


def test_an_empty_environment_gives_the_defaults() -> None:
    assert from_environment({}) == Config()
    assert from_environment({"CDS_TIMEZONE": "", "CDS_MAX_BODY": " "}) == Config()
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
    }
    origins = ("https://a.example", "http://127.0.0.1:8600")
    expected = Config(file, zoneinfo.ZoneInfo("Europe/Berlin"), 1, origins, file, "warning")
    assert from_environment(given) == expected
    assert not expected.any_origin


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
    ],
)
def test_a_wrong_value_stops_the_start_and_says_what_would_do(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_environment({variable: value})
    assert str(caught.value).startswith(f"{variable}: got {value!r}, expected ")
