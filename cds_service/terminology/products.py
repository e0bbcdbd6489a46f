"""What a medication is made of, read from its codings and its name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

# Every drug class that is vitamin D, whether it fills the stores or acts by itself.
VITAMIN_D = ("vitamin-d-nutritional", "vitamin-d-active", "calcifediol")


@dataclass(frozen=True, slots=True)
class Content:
    """How much of an active substance one counted unit (tablet, capsule) or one millilitre holds.

    ``low`` and ``high`` are elemental calcium in mg, or vitamin D in IU, per ``per``; both None when no strength
    is known. ``salt_mg`` is the stated weight of the salt per ``per``, ``fraction`` its elemental share; both only
    for calcium. ``basis`` says how the number was read: "stated" (said as elemental), "brand" (the brand's number
    is elemental), "salt" (computed from the salt), "ambiguous" (salt or elemental), "table", "" (no strength).
    """

    substance: str
    per: str = "unit"  # "unit" or "mL"
    low: Decimal | None = None
    high: Decimal | None = None
    salt_mg: Decimal | None = None
    fraction: Decimal | None = None
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A medication as recognised.

    ``ingredients`` are canonical lower-case English names ("zoledronic acid", "calcium carbonate");
    ``classes`` the drug classes it belongs to: "iv-bisphosphonate", "zoledronic-acid-5mg", "zoledronic-acid-4mg",
    "oral-bisphosphonate", "other-bisphosphonate", "denosumab" (with "denosumab-60" or "denosumab-120"), "anabolic",
    "serm", "calcitonin", "calcimimetic", "vitamin-d-nutritional", "vitamin-d-active", "calcifediol", "calcium"
    (with "calcium-antacid", "calcium-binder", "calcium-parenteral"), "phosphate-binder", "phosphate", "levothyroxine",
    "fluoroquinolone", "tetracycline", "dolutegravir", "systemic-glucocorticoid", "acid-suppressant", "multivitamin".
    ``identified`` is False when neither a code nor a text could be understood as any
    drug's name; a drug of no interest to us is identified and has no classes.
    ``notes`` are codes of what a reader should know: "code-contradicts-text", "codings-disagree", "texts-disagree",
    "strength-differs", "strength-implausible", "route-not-stated".
    """

    label: str
    ingredients: tuple[str, ...] = ()
    classes: frozenset[str] = frozenset()
    brand: str = ""
    route: str = ""  # "oral", "iv", "im", "sc", "topical" (any use that stays local), or "" when nothing says it
    dose_mg: Decimal | None = None  # strength of a single-dose injectable: 5 for Reclast, 4 for Zometa
    calcium: tuple[Content, ...] = ()
    vitamin_d: tuple[Content, ...] = ()
    identified: bool = True
    notes: tuple[str, ...] = ()
