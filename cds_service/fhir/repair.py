"""The sound part of a resource: what has one meaning repaired, what has none set aside, one fault after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

from .lengths import Path, too_long

Kind = Literal["unknown", "missing", "missing-object", "missing-choice", "choice", "list", "time", "other"]

# A round settles every fault the model shows at once; what hides faults below more layers than this is hopeless.
_ROUNDS = 20
_DEPTH = 32  # deeper than any element a resource defines

_DATE_AND_TIME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2})(?P<seconds>:\d{2}(?:\.\d+)?)?(?P<zone>Z|[+-]\d{2}:\d{2})?)?"
)
_TIME = re.compile(r"\d{2}:\d{2}")


class _Marker:
    """Stands in a view where a value cannot."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __deepcopy__(self, memo: dict[int, Any]) -> _Marker:
        return self  # known by identity


UNREADABLE: Final = _Marker("UNREADABLE")
# A required element that was set aside: the model is given a stand-in, the reader still sees that it is gone.
_UNREADABLE_CODE: Final = _Marker("UNREADABLE")
_UNREADABLE_OBJECT: Final = _Marker("UNREADABLE")
_MISSING_CODE: Final = _Marker("MISSING_CODE")
_MISSING_OBJECT: Final = _Marker("MISSING_OBJECT")


class ReadAs(str):
    """A text that the model refuses and that still has one meaning, spelled as that meaning."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One complaint of a model: where, of which kind, and for "choice" the names it concerns."""

    path: Path
    kind: Kind
    names: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class SetAside:
    """An element that was sent and cannot be read: where, and what is wrong with it; never its value."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Sound:
    """A resource as it may be read: ``view`` holds UNREADABLE where an element was set aside."""

    view: Mapping[str, Any]
    set_aside: tuple[SetAside, ...] = ()
    repaired: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


Check = Callable[[dict[str, Any]], tuple[Fault, ...]]

# Never read through a model: narrative and metadata change nothing, contained resources are checked when referred to,
# and extensions may hold anything.
SKIPPED = frozenset({"contained", "text", "extension", "modifierExtension", "meta"})
_SKIPPED_BELOW = frozenset({"extension", "modifierExtension"})


def sound(received: Mapping[str, Any], check: Check) -> Sound:
    """What of ``received`` may be read, ``check`` being the model's complaints about a candidate.

    ``received`` is never changed; what is repaired is copied.
    """
    read = {name: value for name, value in received.items() if name not in SKIPPED and name[:1] != "_"}
    absurd = tuple(too_long(read, _SKIPPED_BELOW))
    if not absurd and not check(read):
        return Sound(received)
    return _Mender(received).mend(check, absurd)


class _Mender:
    """One resource while it is being repaired."""

    def __init__(self, received: Mapping[str, Any]) -> None:
        self.view: dict[str, Any] = dict(received)
        self.set_aside: list[SetAside] = []
        self.repaired: list[str] = []
        self.missing: list[str] = []
        self.markers: list[Path] = []

    def mend(self, check: Check, absurd: Iterable[tuple[Path, str]]) -> Sound:
        for path, why in absurd:
            self._lay_aside(path, why)
        for _ in range(_ROUNDS):
            faults = [fault for fault in check(_candidate(self.view)) if fault.kind != "missing-choice"]
            if not faults:
                break
            for path, fault in [(self._locate(fault.path), fault) for fault in faults]:
                self._settle(path, fault)
        else:
            self._set_everything_aside()
        for path in self.markers:
            if _at(self.view, path) in (_MISSING_CODE, _MISSING_OBJECT):
                self._drop(path)
        return Sound(self.view, tuple(self.set_aside), tuple(self.repaired), tuple(self.missing))

    def _settle(self, path: Path, fault: Fault) -> None:
        if fault.kind in ("missing", "missing-object"):
            self._stand_in(path, fault)
        elif fault.kind == "choice":
            holder = _at(self.view, path)
            for name in fault.names:
                if isinstance(holder, dict) and holder.get(name) is not None:
                    self._lay_aside((*path, name), "more than one of a choice")
        elif _at(self.view, path) is None:
            self._lay_aside(path[:1], fault.why)
        elif fault.kind == "unknown":
            self._drop(path)
        else:
            self._repair_or_lay_aside(path, fault)

    def _stand_in(self, path: Path, fault: Fault) -> None:
        """Let the model go on to its other checks although a required element is not there."""
        present = _at(self.view, path)
        is_code = fault.kind == "missing"
        if not isinstance(_at(self.view, path[:-1]), dict):
            self._lay_aside(path[:1], fault.why)
        elif present is None:
            self.missing.append(spelled(path))
            self.markers.append(path)
            self._put(path, _MISSING_CODE if is_code else _MISSING_OBJECT)
        else:
            self._lay_aside(path, "empty")
            self._put(path, _UNREADABLE_CODE if is_code else _UNREADABLE_OBJECT)

    def _repair_or_lay_aside(self, path: Path, fault: Fault) -> None:
        value = _at(self.view, path)
        meant = _meant(value, fault.kind)
        if meant is UNREADABLE:
            self._lay_aside(path, fault.why)
        else:
            self._put(path, meant)
            self.repaired.append(spelled(path))

    def _lay_aside(self, path: Path, why: str) -> None:
        if not path:
            self._set_everything_aside()
        elif not isinstance(_at(self.view, path), _Marker):
            self._put(path, UNREADABLE)
            self.set_aside.append(SetAside(spelled(path), why))

    def _set_everything_aside(self) -> None:
        for name in self.view:
            if name not in SKIPPED and name not in ("resourceType", "id"):
                self._lay_aside((name,), "cannot be checked")

    def _locate(self, path: Path) -> Path:
        """The same place in the view, where list members that the candidate lacks still have their position."""
        node: Any = self.view
        located: list[str | int] = []
        for step in path:
            if isinstance(step, int) and isinstance(node, list):
                kept = [index for index, item in enumerate(node) if not _is_left_out(item)]
                if step >= len(kept):
                    break
                step = kept[step]
                node = node[step]
            elif isinstance(step, str) and isinstance(node, dict):
                node = node.get(step)
            else:
                break
            located.append(step)
        return tuple(located)

    def _put(self, path: Path, value: Any) -> None:
        node: Any = self.view
        for step, following in pairwise(path):
            child = node[step]
            child = list(child) if isinstance(following, int) else dict(child)
            node[step] = child
            node = child
        node[path[-1]] = value

    def _drop(self, path: Path) -> None:
        if isinstance(_at(self.view, path[:-1]), dict):
            holder = dict(_at(self.view, path[:-1]))
            holder.pop(path[-1], None)
            if len(path) == 1:
                self.view = holder
            else:
                self._put(path[:-1], holder)


def spelled(path: Path) -> str:
    """The path as FHIRPath writes it: ``dosageInstruction[0].timing``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _at(node: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int) and isinstance(node, list) and step < len(node):
            node = node[step]
        elif isinstance(step, str) and isinstance(node, dict):
            node = node.get(step)
        else:
            return None
    return node


def _is_left_out(item: Any) -> bool:
    return item is None or item is UNREADABLE or isinstance(item, ReadAs)


def _candidate(view: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _stripped(value, _DEPTH)
        for name, value in view.items()
        if name not in SKIPPED and name[:1] != "_" and not _is_left_out(value) and not _is_empty(value)
    }


def _is_empty(value: Any) -> bool:
    return isinstance(value, (dict, list, str)) and not value


def _stripped(value: Any, depth: int) -> Any:
    if value is _MISSING_CODE or value is _UNREADABLE_CODE:
        return "unknown"
    if value is _MISSING_OBJECT or value is _UNREADABLE_OBJECT:
        return {}
    if depth == 0:
        return value
    if isinstance(value, dict):
        return {
            name: _stripped(member, depth - 1)
            for name, member in value.items()
            if name not in _SKIPPED_BELOW and name[:1] != "_" and not _is_left_out(member) and not _is_empty(member)
        }
    if isinstance(value, list):
        return [_stripped(item, depth - 1) for item in value if not _is_left_out(item)]
    return value


def _meant(value: Any, kind: Kind) -> Any:
    """The one thing a value in the wrong shape can mean, else UNREADABLE."""
    if kind == "list":
        return [value] if isinstance(value, (dict, str, int)) and not isinstance(value, bool) else UNREADABLE
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], (dict, str)):
        return value[0]
    if not isinstance(value, str) or isinstance(value, ReadAs):
        return UNREADABLE
    if value.strip() and value.strip() != value:
        return value.strip()
    return _time_meant(value) if kind == "time" else UNREADABLE


def _time_meant(value: str) -> Any:
    if _TIME.fullmatch(value):
        return ReadAs(value + ":00")
    match = _DATE_AND_TIME.fullmatch(value)
    if match is None:
        return UNREADABLE
    if match["time"] is None or match["zone"] is None:
        return ReadAs(match["day"])
    return ReadAs(f"{match['day']}T{match['time']}{match['seconds'] or ':00'}{match['zone']}")
