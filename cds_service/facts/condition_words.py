"""Diagnoses by name, for entries of the problem list without a code, and the words that take a name back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib import resources

_WORDS = json.loads(resources.files(__package__).joinpath("condition_words.json").read_text("utf-8"))


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


_NAMED = {group: _any(patterns) for group, patterns in _WORDS["groups"].items()}
_DENIES, _REMEMBERS = _any(_WORDS["denies"]), _any(_WORDS["remembers"])
_STOPS = _any(_WORDS["stops"])
_STOPS_REMEMBERING = _any([*_WORDS["stops"], *_WORDS["stops_remembering"]])
_LIST = re.compile(_WORDS["list"])
_AFTER = re.compile(
    r"[\s,;:?()–—-]*(?:(?:is|was|were|has|have|been|now|currently) )*(?:" + _any(_WORDS["after"]).pattern + ")"
)
_LENGTH = 300  # characters of a name that are read


def names(text: str, group: str) -> bool:
    """Whether a text names a diagnosis of the group as one that the patient has.

    A name that the words beside it deny, doubt, remember or give to a relative does not count; another mention in
    the same text may. False for every group whose diagnoses are known by their codes only.
    """
    pattern = _NAMED.get(group)
    if pattern is None:
        return False
    line = " ".join(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").split())[:_LENGTH].casefold()
    return any(not _taken_back(line, found) for found in pattern.finditer(line))


def _taken_back(line: str, mention: re.Match[str]) -> bool:
    before, after = line[: mention.start()], line[mention.end() :]
    return (
        _AFTER.match(after) is not None
        or _REMEMBERS.search(_last(before, _STOPS_REMEMBERING)) is not None
        or _is_denied(_last(before, _STOPS), after)
    )


def _is_denied(before: str, after: str) -> bool:
    """Whether a denial reaches the name: past a comma it does so only in a list ("no a, b or c")."""
    denials = list(_DENIES.finditer(before))
    if not denials:
        return False
    listed = _LIST.search(before[denials[0].end() :]) or _LIST.search(_STOPS.split(after)[0])
    return "," not in before[denials[-1].end() :] or listed is not None


def _last(text: str, stops: re.Pattern[str]) -> str:
    """What follows the last stop."""
    return stops.split(text)[-1]
