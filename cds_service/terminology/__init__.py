"""What codes and names mean: code systems, value sets, units, and medications as products."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from .codes import LOINC, Coding
from .drug_lexicon import Lexicon, lexicon
from .products import Product
from .readings import KnownCode
from .recognition import Hints, known_codes, recognise
from .rxnorm import RxNormIndex
from .value_sets import OPTIONAL, TerminologyError, ValueSet, load_value_sets

__all__ = ["Terminology", "TerminologyError"]

_CACHE_SIZE = 4096
_NAME_LENGTH = 1000  # characters of a text that are read: longer than any drug's name

_Key = tuple[tuple[Coding, ...], tuple[str, ...], str, str, Decimal | None]


class _Recent:
    """The products recognised last, by what named them; bounded, and safe for several threads."""

    __slots__ = ("_lock", "_products", "_size")

    def __init__(self, size: int = _CACHE_SIZE) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._products: OrderedDict[_Key, Product] = OrderedDict()

    def get(self, key: _Key) -> Product | None:
        with self._lock:
            product = self._products.get(key)
            if product is not None:
                self._products.move_to_end(key)
            return product

    def put(self, key: _Key, product: Product) -> None:
        with self._lock:
            self._products[key] = product
            if len(self._products) > self._size:
                self._products.popitem(last=False)

    def __len__(self) -> int:
        return len(self._products)


@dataclass(frozen=True, slots=True)
class Terminology:
    """Value sets and drug knowledge, made once at start and never changed; only recognised names are remembered."""

    value_sets: Mapping[str, ValueSet]
    lexicon: Lexicon = field(repr=False)
    known: Mapping[str, Mapping[str, KnownCode]] = field(repr=False)
    rxnorm: RxNormIndex | None = None
    _recent: _Recent = field(default_factory=_Recent, repr=False, compare=False)
    _groups: dict[tuple[str, ...], Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def load(cls, optional: frozenset[str] = OPTIONAL, rxnorm_path: Path | None = None) -> Terminology:
        """The terminology shipped, with the optional parts a site may use and, if imported, its RxNorm release.

        Raises TerminologyError for a malformed or missing file.
        """
        value_sets = load_value_sets(optional)
        drugs = lexicon()
        known = MappingProxyType(dict(known_codes(value_sets, drugs)))
        return cls(value_sets, drugs, known, None if rxnorm_path is None else RxNormIndex(rxnorm_path))

    def value_set(self, set_id: str) -> ValueSet:
        """A value set; raises TerminologyError for an id that does not exist."""
        try:
            return self.value_sets[set_id]
        except KeyError:
            raise TerminologyError(f"value set {set_id}: expected one of those shipped in value_sets/") from None

    def member(self, set_id: str, codings: Iterable[Coding]) -> bool:
        """Whether any of the codings belongs to a value set."""
        members = self.value_set(set_id)
        return any(coding in members for coding in codings)

    def group(self, set_ids: tuple[str, ...], codings: Sequence[Coding]) -> str | None:
        """The first of these value sets to which any of the codings belongs; None where none does."""
        of_code = self._groups.get(set_ids)
        if of_code is None:
            of_code = self._groups[set_ids] = self._of_loinc(set_ids)
        if len(codings) == 1 and codings[0].system == LOINC:
            return of_code.get(codings[0].code)
        return next((set_id for set_id in set_ids if self.member(set_id, codings)), None)

    def _of_loinc(self, set_ids: tuple[str, ...]) -> Mapping[str, str]:
        """LOINC code -> the first of these value sets that has it."""
        return {code: set_id for set_id in reversed(set_ids) for code in self.value_set(set_id).codes(LOINC)}

    def medication(
        self,
        codings: Sequence[Coding],
        texts: Sequence[str],
        *,
        route_hint: str = "",
        form_hint: str = "",
        dose_hint: Decimal | None = None,
    ) -> Product:
        """The product that a medication's codings (canonical) and texts name.

        ``route_hint`` and ``form_hint`` are words of the order ("IV", "Oral tablet"), ``dose_hint`` its dose in mg.
        Only what names the drug may be passed as text, never a sig: results are remembered by it.
        """
        names = tuple(text[:_NAME_LENGTH] for text in texts)
        key: _Key = (tuple(codings), names, route_hint, form_hint, dose_hint)
        product = self._recent.get(key)
        if product is None:
            hints = Hints(route_hint, form_hint, dose_hint)
            product = recognise(key[0], names, hints, known=self.known, lexicon=self.lexicon, rxnorm=self.rxnorm)
            self._recent.put(key, product)
        return product
