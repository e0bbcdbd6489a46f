"""The files for operators, read: what a Dockerfile says, which metrics an expression names."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """What the last stage of a Dockerfile says. Commands are in their list form; another form is an error."""

    bases: tuple[str, ...]
    environment: dict[str, str]
    user: str
    port: int
    volumes: tuple[str, ...]
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    check: tuple[str, ...]
    runs: tuple[tuple[str, ...], ...]  # of all stages


def dockerfile(file: Path) -> Image:
    """Reads a Dockerfile; ValueError where a command is not a list."""
    text = re.sub(r"^#.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    last = max(index for index, (name, _) in enumerate(lines) if name == "FROM")

    def of(name: str) -> str:
        return next((rest for n, rest in reversed(lines[last:]) if n == name), "")

    def words(text: str) -> tuple[str, ...]:
        found = json.loads(text)
        return tuple(found)

    return Image(
        bases=tuple(rest.split()[0] for name, rest in lines if name == "FROM"),
        environment=dict(pair.split("=", 1) for pair in shlex.split(of("ENV"))),
        user=of("USER"),
        port=int(of("EXPOSE")),
        volumes=words(of("VOLUME")),
        entrypoint=words(of("ENTRYPOINT")),
        command=words(of("CMD")),
        check=words(of("HEALTHCHECK").partition("CMD ")[2]),
        runs=tuple(words(rest) for name, rest in lines if name == "RUN"),
    )


_IN_STRINGS = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\b(up|cds_[a-z0-9_]+)(\{[^}]*\})?")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def selectors(expression: str) -> list[tuple[str, frozenset[str]]]:
    """Each metric that an expression names, with the labels that it is selected by."""
    found = []
    for name, braces in _SELECTOR.findall(expression):
        labels = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _IN_STRINGS.sub('""', braces))
        found.append((name, frozenset(labels)))
    return found


def grouped(expression: str) -> frozenset[str]:
    """The labels that an expression groups or matches by."""
    return frozenset(label for part in _GROUPING.findall(expression) for label in re.findall(r"\w+", part))
