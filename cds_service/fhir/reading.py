"""A prefetch value turned into resources: what came, what did not, what could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from .requirement import DataRequirement
from .resource import Problem, Resource, Version, bare_id
from .searchset import newest_first, next_page

__all__ = [
    "ABSENT",
    "DATA",
    "FAILED",
    "MISSING",
    "NONE",
    "Problem",
    "Reading",
    "Resource",
    "Version",
    "bare_id",
    "read",
]

State = Literal["data", "none", "failed", "absent"]
DATA: Final = "data"
NONE: Final = "none"
FAILED: Final = "failed"
ABSENT: Final = "absent"

MISSING: Final = object()  # the key was not sent at all

_WRAPS = 4  # how many envelopes and Bundles inside Bundles are opened
_REASON = 200
_MEDICATION = "Medication"


class Reading(Struct, frozen=True):
    """What came under one key.

    ``state``: DATA (something came), NONE (known to be none), FAILED (an error came), ABSENT (nothing usable came).
    ``incomplete``: more exists or may exist than could be read; then "none", "all" and "the latest" cannot be said.
    ``more``: older ones exist than the newest that were asked for; "there is none" cannot be said.
    ``included`` are resources sent along because others refer to them. ``reason`` is an error's text, for logs only.
    """

    state: State
    resources: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    incomplete: bool = False
    included: tuple[Resource, ...] = ()
    reason: str = ""
    more: bool = False

    @property
    def complete(self) -> bool:
        """Whether all there is was read."""
        return not self.incomplete


def read(value: Any, requirement: DataRequirement, patient_id: str, version: Version) -> Reading:
    """What a prefetch value says about ``patient_id``; MISSING where the key was not sent. Never raises."""
    if value is MISSING:
        return Reading(ABSENT)
    value, failed = _unwrapped(value)
    if failed:
        return Reading(FAILED, reason=failed)
    if value is None:
        return Reading(NONE)
    if not isinstance(value, dict) or ("resourceType" not in value and "entry" not in value):
        return Reading(ABSENT, problems=(Problem("not-a-resource", ""),))
    if value.get("resourceType") == "OperationOutcome":
        return Reading(FAILED, reason=_reason(value))
    reader = _Reader(requirement, bare_id(patient_id), version)
    if _is_bundle(value):
        reader.bundle(value, "", _WRAPS)
    else:
        reader.resource(value, "", "", "match")
    return reader.reading()


def _is_bundle(value: Mapping[str, Any]) -> bool:
    return value.get("resourceType") == "Bundle" or "resourceType" not in value


def _unwrapped(value: Any) -> tuple[Any, str]:
    """The value without envelopes such as {resource: …} and {response: …}, and the error they report."""
    for _ in range(_WRAPS):
        if not isinstance(value, dict) or "resourceType" in value or "entry" in value:
            break
        response = value.get("response")
        if isinstance(response, dict):
            status = response.get("status")
            if isinstance(status, str) and status[:1] != "2" and "resourceType" not in response:
                return None, f"response status {status[:3]}"
            if "resource" not in value and isinstance(response.get("outcome"), dict):
                return response["outcome"], ""
        if "resource" in value:
            value = value["resource"]
        elif isinstance(response, dict):
            value = response
        else:
            break
    return value, ""


def _reason(outcome: Mapping[str, Any]) -> str:
    """The first words an OperationOutcome has, shortened; for logs, never for a card."""
    for issue in _issues(outcome):
        details = issue.get("details")
        words = details.get("text") if isinstance(details, dict) else None
        for said in (issue.get("diagnostics"), words, issue.get("code")):
            if isinstance(said, str) and said.strip():
                return " ".join(said.split())[:_REASON]
    return "OperationOutcome"


def _issues(outcome: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sent = outcome.get("issue")
    return [issue for issue in (sent if isinstance(sent, list) else [sent]) if isinstance(issue, dict)]


def _is_harmless(outcome: Mapping[str, Any]) -> bool:
    """Whether an outcome beside the results only comments on them ("no results", "may be more elsewhere")."""
    issues = _issues(outcome)
    return bool(issues) and all(issue.get("severity") in ("warning", "information") for issue in issues)


class _Reader:
    """One value while it is being read."""

    def __init__(self, requirement: DataRequirement, patient_id: str, version: Version) -> None:
        self.requirement = requirement
        self.patient_id = patient_id
        self.usual = f"Patient/{patient_id}" if patient_id else ""  # how the patient is mostly referred to
        self.version = version
        self.found: dict[str, Resource] = {}
        self.included: list[Resource] = []
        self.problems: list[Problem] = []
        self.incomplete = False
        self.more = False

    def reading(self) -> Reading:
        nothing = not self.found and not self.incomplete
        return Reading(
            NONE if nothing else DATA,
            tuple(self.found.values()),
            tuple(self.problems),
            self.incomplete,
            tuple(self.included),
            more=self.more,
        )

    def spoil(self, kind: str, path: str) -> None:
        self.problems.append(Problem(kind, path))
        self.incomplete = True

    def bundle(self, bundle: Mapping[str, Any], path: str, depth: int) -> None:
        entries = bundle.get("entry")
        if isinstance(entries, dict):
            entries = [entries] if entries else []
        if entries is None:
            entries = []
        if not isinstance(entries, list):
            self.spoil("entry-unreadable", f"{path}entry")
            return
        for index, entry in enumerate(entries):
            self.entry(entry, f"{path}entry[{index}]", depth)
        total: Any = bundle.get("total")
        counted = isinstance(total, int) and not isinstance(total, bool)
        more_pages = next_page(bundle) is not None
        if not more_pages and not (counted and total > len(entries)):
            return
        if self.requirement.newest is not None and self.found and newest_first(entries):
            self.more = True  # the newest were asked for, and these are they
        else:
            self.spoil(
                "more-pages" if more_pages else "fewer-than-total", f"{path}link" if more_pages else f"{path}total"
            )

    def entry(self, entry: Any, path: str, depth: int) -> None:
        if entry is None or entry == {}:
            self.problems.append(Problem("entry-empty", path))
            return
        if not isinstance(entry, dict):
            self.spoil("entry-unreadable", path)
            return
        search = entry.get("search")
        mode = search.get("mode") if isinstance(search, dict) else ""
        full_url = entry.get("fullUrl")
        resource: Any = entry
        for _ in range(_WRAPS):
            if not isinstance(resource, dict) or "resourceType" in resource or "resource" not in resource:
                break
            resource = resource["resource"]
            path += ".resource"
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            self.spoil("entry-without-resource", path)
        elif resource["resourceType"] == "Bundle":
            if depth:
                self.bundle(resource, f"{path}.", depth - 1)
            else:
                self.spoil("entry-unreadable", path)
        else:
            self.resource(resource, path, full_url if isinstance(full_url, str) else "", mode)

    def resource(self, raw: Mapping[str, Any], path: str, full_url: str, mode: Any) -> None:
        if raw.get("resourceType") == "OperationOutcome":
            if not _is_harmless(raw):
                self.spoil("operation-outcome", path)
            return
        resource = Resource(raw, self.version, full_url=full_url, path=path, pool=self.requirement.key)
        if resource.type == self.requirement.type:
            verdict = self.about(resource)
            if verdict:
                self.spoil(verdict, path)
            else:
                self.keep(resource)
        elif resource.type == _MEDICATION:
            self.included.append(resource)
        elif mode != "include":
            # Of another type than asked for: an old client's name for the same thing, or the wrong query's answer.
            self.problems.append(Problem("other-type", path))
            self.incomplete = self.incomplete or not path or resource.type == f"{_MEDICATION}Order"

    def about(self, resource: Resource) -> str:
        """ "" when the resource may be used, else why not."""
        if resource.type == "Patient":
            return "" if resource.id == self.patient_id else "other-patient"
        for subject in self.version.subjects(resource.raw):
            if type(subject) is dict and subject.get("reference") == self.usual:
                continue
            verdict = _about(subject, self.patient_id)
            if verdict:
                return verdict
        return ""

    def keep(self, resource: Resource) -> None:
        # Drugs are only referred to, perhaps on several servers by one id: their full address tells them apart.
        is_named = resource.id and resource.type != _MEDICATION
        key = f"{resource.type}/{resource.id}" if is_named else f"#{len(self.found)}"
        known = self.found.get(key)
        if known is not None:
            self.problems.append(Problem("duplicate", resource.path))
            if not _is_newer(resource.raw, known.raw):
                return
        self.found[key] = resource


def _about(subject: Any, patient_id: str) -> str:
    reference = subject.get("reference") if isinstance(subject, dict) else subject
    if reference is None:
        return ""  # a name or an identifier alone: the answer came to a query about this patient
    if not isinstance(reference, str) or not patient_id:
        return "subject-unreadable"
    address = reference.strip().partition("/_history/")[0]
    if address.startswith("#") or not address:
        return ""
    named = address.removeprefix("urn:uuid:").rsplit("/", 1)
    is_patient = len(named) == 1 or named[0].rsplit("/", 1)[-1] == "Patient"
    return "" if is_patient and named[-1] == patient_id else "other-patient"


def _is_newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the first of two copies of a resource is certainly the newer one."""
    first, second = one.get("meta"), other.get("meta")
    if not isinstance(first, dict) or not isinstance(second, dict):
        return False
    for name in ("versionId", "lastUpdated"):
        left, right = first.get(name), second.get(name)
        if isinstance(left, str) and isinstance(right, str) and left != right:
            if name == "lastUpdated":
                return left > right
            if left.isdecimal() and right.isdecimal() and max(len(left), len(right)) < 19:
                return int(left) > int(right)
    return False
