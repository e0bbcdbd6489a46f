"""The environment, read once into one frozen Config."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ANY_ORIGIN = "*"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?")
_UTC = zoneinfo.ZoneInfo("UTC")
_BASE_URL = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?")
_DISCOVERY = "/cds-services"
_LEVELS = ("debug", "info", "warning", "error")
_AUTH = ("required", "off")
_MAX_DIGITS = 12
_RECORDS = "sqlite:///cds-records.sqlite"


class ConfigError(Exception):
    """A variable of the environment has a value that cannot be meant; the message says which, and what would do."""

    def __init__(self, variable: str, got: str, expected: str) -> None:
        super().__init__(f"{variable}: got {got!r}, expected {expected}")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Config:
    """How this installation runs.

    ``manifest`` None is the manifest that came with the software; ``rxnorm`` None is no imported index.
    ``max_body`` is in bytes. ``allowed_origins`` is ("*",) for any. ``clients`` is the file of known clients, or None.
    ``auth`` is "required", "off", or "" when nobody has decided; callers must show who they are unless it is "off".
    ``base_url`` is this service's address as clients see it, without a slash at the end. ``shared_store`` is an SQLite
    file or a Redis URL. ``development`` lets in clients whose private keys everybody has. ``deadline_ms`` is how long
    one request may fetch, ``budget_ms`` how long its rules may take in all. ``records`` is the database URL of records,
    "" for none; ``record_comments`` keeps what clinicians write with their feedback.
    """

    manifest: Path | None = None
    timezone: zoneinfo.ZoneInfo = _UTC
    max_body: int = 5_000_000
    allowed_origins: tuple[str, ...] = (_ANY_ORIGIN,)
    rxnorm: Path | None = None
    log_level: str = "info"
    clients: Path | None = None
    auth: str = ""
    base_url: str = ""
    shared_store: str = "cds-tokens.sqlite"
    development: bool = False
    deadline_ms: int = 400
    budget_ms: int = 10_000
    records: str = ""
    record_comments: bool = False

    @property
    def any_origin(self) -> bool:
        """Whether web pages from anywhere may call."""
        return self.allowed_origins == (_ANY_ORIGIN,)


def from_environment(environ: Mapping[str, str]) -> Config:
    """The Config that ``environ`` asks for; a variable that is empty counts as not set. Raises ConfigError."""
    default = Config()
    given = {name: value.strip() for name, value in environ.items() if name.startswith("CDS_") and value.strip()}
    config = Config(
        manifest=_file("CDS_MANIFEST", given),
        timezone=_timezone(given.get("CDS_TIMEZONE", ""), default.timezone),
        max_body=_size(given.get("CDS_MAX_BODY", ""), default.max_body),
        allowed_origins=_origins(given.get("CDS_ALLOWED_ORIGINS", ""), default.allowed_origins),
        rxnorm=_file("CDS_RXNORM", given),
        log_level=_level(given.get("CDS_LOG_LEVEL", ""), default.log_level),
        clients=_file("CDS_CLIENTS", given),
        auth=_auth(given.get("CDS_AUTH", "")),
        base_url=_base_url(given.get("CDS_BASE_URL", "")),
        shared_store=given.get("CDS_SHARED_STORE", default.shared_store),
        development=_switch("CDS_DEVELOPMENT", given),
        deadline_ms=_milliseconds("CDS_DEADLINE_MS", given, default.deadline_ms),
        budget_ms=_milliseconds("CDS_BUDGET_MS", given, default.budget_ms),
        records="" if (url := given.get("CDS_RECORDS", _RECORDS)) == "off" else url,
        record_comments=_switch("CDS_RECORD_COMMENTS", given),
    )
    if config.clients and config.auth != "off" and not config.base_url:
        expected = (
            "the address of this service as the clients see it, such as https://cds.example: tokens are made for it"
        )
        raise ConfigError("CDS_BASE_URL", "", expected)
    if config.auth == "required" and not config.clients:
        raise ConfigError("CDS_CLIENTS", "", "the file of the clients that may call, as CDS_AUTH is required")
    return config


def _file(variable: str, given: Mapping[str, str]) -> Path | None:
    if not (text := given.get(variable)):
        return None
    path = Path(text)
    if not path.is_file():
        raise ConfigError(variable, text, "the path of a file that exists")
    return path


def _timezone(text: str, default: zoneinfo.ZoneInfo) -> zoneinfo.ZoneInfo:
    if not text:
        return default
    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError("CDS_TIMEZONE", text, "an IANA time zone such as Europe/Berlin") from None


def _size(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS and int(text) > 0):
        raise ConfigError("CDS_MAX_BODY", text, "a whole number of bytes above 0, such as 5000000")
    return int(text)


def _milliseconds(variable: str, given: Mapping[str, str], default: int) -> int:
    if not (text := given.get(variable)):
        return default
    if not (text.isascii() and text.isdigit() and 0 < len(text) <= _MAX_DIGITS and 10 <= int(text) <= 60_000):
        raise ConfigError(variable, text, f"a whole number of milliseconds from 10 to 60000, such as {default}")
    return int(text)


def _origins(text: str, default: tuple[str, ...]) -> tuple[str, ...]:
    if not text:
        return default
    origins = tuple(dict.fromkeys(part for part in re.split(r"[\s,]+", text) if part))
    if origins == (_ANY_ORIGIN,):
        return origins
    if not origins or not all(_ORIGIN.fullmatch(origin) for origin in origins):
        expected = "* or a list of origins such as https://ehr.example, separated by commas"
        raise ConfigError("CDS_ALLOWED_ORIGINS", text, expected)
    return origins


def _level(text: str, default: str) -> str:
    if text and text.lower() not in _LEVELS:
        raise ConfigError("CDS_LOG_LEVEL", text, "one of " + ", ".join(_LEVELS))
    return text.lower() or default


def _auth(text: str) -> str:
    if text and text not in _AUTH:
        raise ConfigError("CDS_AUTH", text, "required or off")
    return text


def _base_url(text: str) -> str:
    url = text.rstrip("/")
    if text and (not _BASE_URL.fullmatch(url) or url.endswith(_DISCOVERY)):
        raise ConfigError("CDS_BASE_URL", text, f"an address such as https://cds.example, without {_DISCOVERY}")
    return url


def _switch(variable: str, given: Mapping[str, str]) -> bool:
    text = given.get(variable, "")
    if text not in ("", "0", "1"):
        raise ConfigError(variable, text, "1, or nothing")
    return text == "1"
