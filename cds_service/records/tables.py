"""The tables of records: what was answered, with which cards, and what became of them. No data of a patient."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

from .existing import VERSION_COLUMN, VERSION_TABLE

# Every instant is in milliseconds of the epoch, UTC: the same number in every database.
Instant = BigInteger

metadata = MetaData()

version = Table(VERSION_TABLE, MetaData(), Column(VERSION_COLUMN, String(32)))

# What was in force: the version and values of each rule. Few rows; every invocation names one.
configuration = Table(
    "configuration",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("first_used", Instant, nullable=False),
    Column("document", JSON, nullable=False),
)

invocation = Table(
    "invocation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("duration_us", Integer, nullable=False),
    Column("service", String(100), nullable=False),
    Column("hook", String(40), nullable=False),
    Column("hook_instance", String(100), nullable=False),
    Column("client", String(64), nullable=False),
    Column("user", String(200), nullable=False),
    Column("software", String(40), nullable=False),
    Column("configuration", String(64), ForeignKey("configuration.digest"), nullable=False),
    Column("status", Integer, nullable=False),
    Column("results", JSON, nullable=False),
    Index("invocation_at", "at"),
)

card = Table(
    "card",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("invocation", String(36), ForeignKey("invocation.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("rule", String(100), nullable=False),
    Column("indicator", String(10), nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("findings", JSON, nullable=False),
    Column("suggestions", JSON, nullable=False),
    Index("card_invocation", "invocation"),
)

# May come late, twice, or for a card of another machine: it is kept as it came and joined by the card's uuid.
feedback = Table(
    "feedback",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("card", String(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("received", Instant, nullable=False),
    Column("service", String(100), nullable=False),
    Column("client", String(64), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("suggestions", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Index("feedback_card", "card"),
    Index("feedback_received", "received"),
)

# What a clinician wrote, where a site keeps it: apart, so that it can be kept for a shorter time or not at all.
comment = Table(
    "comment",
    metadata,
    Column("feedback", String(64), ForeignKey("feedback.digest", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
)
