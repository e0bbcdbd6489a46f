"""The CDS Hooks vocabulary: requests and feedback read from JSON, services and cards written to it."""

from .answer import Action, Card, Coding, Link, OverrideReason, Service, Source, Suggestion
from .feedback import Feedback, parse_feedback
from .request import OtherPatient, Request, parse_request, refuse_other_patient

__all__ = [
    "Action",
    "Card",
    "Coding",
    "Feedback",
    "Link",
    "OtherPatient",
    "OverrideReason",
    "Request",
    "Service",
    "Source",
    "Suggestion",
    "parse_feedback",
    "parse_request",
    "refuse_other_patient",
]
