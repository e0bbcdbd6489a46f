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
_LEVELS = ("debug", "info", "warning", "error")
_MAX_DIGITS = 12


class ConfigError(Exception):
    """A variable of the environment has a value that cannot be meant; the message says which, and what would do."""

    def __init__(self, variable: str, got: str, expected: str) -> None:
        super().__init__(f"{variable}: got {got!r}, expected {expected}")
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Config:
    """How this installation runs.

    ``manifest`` None is the manifest that came with the software; ``rxnorm`` None is no imported index.
    ``max_body`` is in bytes. ``allowed_origins`` is ("*",) for any.
    """

    manifest: Path | None = None
    timezone: zoneinfo.ZoneInfo = _UTC
    max_body: int = 5_000_000
    allowed_origins: tuple[str, ...] = (_ANY_ORIGIN,)
    rxnorm: Path | None = None
    log_level: str = "info"

    @property
    def any_origin(self) -> bool:
        """Whether web pages from anywhere may call."""
        return self.allowed_origins == (_ANY_ORIGIN,)


def from_environment(environ: Mapping[str, str]) -> Config:
    """The Config that ``environ`` asks for; a variable that is empty counts as not set. Raises ConfigError."""
    default = Config()
    given = {name: value.strip() for name, value in environ.items() if name.startswith("CDS_") and value.strip()}
    return Config(
        manifest=_file("CDS_MANIFEST", given),
        timezone=_timezone(given.get("CDS_TIMEZONE", ""), default.timezone),
        max_body=_size(given.get("CDS_MAX_BODY", ""), default.max_body),
        allowed_origins=_origins(given.get("CDS_ALLOWED_ORIGINS", ""), default.allowed_origins),
        rxnorm=_file("CDS_RXNORM", given),
        log_level=_level(given.get("CDS_LOG_LEVEL", ""), default.log_level),
    )


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
