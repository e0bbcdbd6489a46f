"""Reads one HTTP request's head and body strictly and at bounded cost, before any thread of ours sees it."""

from __future__ import annotations

import re
import time

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest

# Everything below is a search in linear time; the parser's own patterns are not linear for what is refused here.
_REQUEST_LINE = re.compile(rb"[A-Z]{1,20} [!-~]{1,4000} HTTP/1\.[01]\r\n")
_NEVER_IN_A_HEAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n|\r\n[ \t]")
_CODING = re.compile(rb"\r\ntransfer-encoding:([^\r]*)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:", re.IGNORECASE)
_HOST = re.compile(rb"\r\nhost:", re.IGNORECASE)
# What sizes of chunks, their extensions and trailers may cost in all, beside a quarter of what the chunks bring.
_MOST_FRAMING = 65_536


class Parser(HTTPRequestParser):
    """One request as it arrives. ``error`` is set for one that two servers could read differently."""

    completed: bool
    completed_at = 0.0  # an instant of time.monotonic

    def received(self, data: bytes) -> int:
        """Takes what belongs to this request and says how many bytes that was."""
        consumed: int = super().received(data)
        if self.chunked and not self.completed:
            brought = len(self.body_rcv)
            if self.body_bytes_received - brought > _MOST_FRAMING + brought // 4:
                self.error = BadRequest("")
                self.completed = True
        if self.completed:
            self.completed_at = time.monotonic()
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        """Reads request line and headers; raises ParsingError."""
        if _NEVER_IN_A_HEAD.search(header_plus) or not _REQUEST_LINE.match(header_plus):
            raise ParsingError("")
        codings = _CODING.findall(header_plus)
        lengths = len(_LENGTH.findall(header_plus))
        if len(codings) + lengths > 1 or len(_HOST.findall(header_plus)) > 1:
            raise ParsingError("")
        try:
            super().parse_header(header_plus)
        except ValueError:
            raise ParsingError("") from None
        if codings and (self.version != "1.1" or codings[0].strip(b" \t").lower() != b"chunked"):
            raise ParsingError("")

    @property
    def size(self) -> int:
        """How many bytes of its body are held."""
        return 0 if self.body_rcv is None else len(self.body_rcv)
