"""Codings, and the addresses under which code systems are known."""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
SNOMED_CT = "http://snomed.info/sct"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ATC = "http://www.whocc.no/atc"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NDC = "http://hl7.org/fhir/sid/ndc"
UCUM = "http://unitsofmeasure.org"

# Keys are lower case, without scheme, "www.", "urn:oid:", version and trailing slash.
# ICD-10 itself is read as ICD-10-CM: the two agree in the first four characters, and prefixes are all we compare.
_KNOWN = MappingProxyType(
    {
        "nlm.nih.gov/research/umls/rxnorm": RXNORM,
        "2.16.840.1.113883.6.88": RXNORM,
        "rxnorm": RXNORM,
        "loinc.org": LOINC,
        "2.16.840.1.113883.6.1": LOINC,
        "loinc": LOINC,
        "snomed.info/sct": SNOMED_CT,
        "2.16.840.1.113883.6.96": SNOMED_CT,
        "snomed": SNOMED_CT,
        "snomedct": SNOMED_CT,
        "snomed-ct": SNOMED_CT,
        "snomed ct": SNOMED_CT,
        "hl7.org/fhir/sid/icd-10-cm": ICD_10_CM,
        "hl7.org/fhir/sid/icd-10": ICD_10_CM,
        "2.16.840.1.113883.6.90": ICD_10_CM,
        "2.16.840.1.113883.6.3": ICD_10_CM,
        "terminology.hl7.org/codesystem/icd10-cm": ICD_10_CM,
        "terminology.hl7.org/codesystem/icd10cm": ICD_10_CM,
        "icd-10-cm": ICD_10_CM,
        "icd10cm": ICD_10_CM,
        "icd-10": ICD_10_CM,
        "icd10": ICD_10_CM,
        "whocc.no/atc": ATC,
        "whocc.no/atc_ddd_index": ATC,
        "2.16.840.1.113883.6.73": ATC,
        "atc": ATC,
        "cms.gov/medicare/coding/hcpcsreleasecodesets": HCPCS,
        "cms.gov/medicare/coding/medhcpcsgeninfo": HCPCS,
        "terminology.hl7.org/codesystem/hcpcs": HCPCS,
        "terminology.hl7.org/codesystem/hcpcs-all-codes": HCPCS,
        "bluebutton.cms.gov/resources/codesystem/hcpcs": HCPCS,
        "2.16.840.1.113883.6.285": HCPCS,
        "2.16.840.1.113883.6.14": HCPCS,
        "hcpcs": HCPCS,
        "hl7.org/fhir/sid/ndc": NDC,
        "2.16.840.1.113883.6.69": NDC,
        "ndc": NDC,
        "unitsofmeasure.org": UCUM,
        "2.16.840.1.113883.6.8": UCUM,
        "ucum": UCUM,
    }
)

_ADDRESS_PREFIX = re.compile(r"^(?:urn:oid:|(?:https?://)?(?:www\.)?)")
_ICD_CODE = re.compile(r"^[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{0,4})?$")
_NDC_HYPHENATED = re.compile(r"^(\d{4,5})-(\d{3,4})-(\d{1,2})$")


class Coding(Struct, frozen=True, gc=False):
    """One code of one system, both in their canonical spelling; ``system`` is "" when none was sent."""

    system: str
    code: str
    display: str = ""


@lru_cache(maxsize=1024)
def canonical_system(system: str) -> str:
    """The address this software knows a code system by; an unknown address comes back trimmed, otherwise as sent."""
    trimmed = system.strip()
    key = trimmed.lower().partition("|")[0].rstrip("/")
    key = _ADDRESS_PREFIX.sub("", key, count=1)
    if key.startswith("snomed.info/sct/"):  # a national edition or a version of SNOMED CT
        return SNOMED_CT
    return _KNOWN.get(key, trimmed)


def coding(system: str, code: str, display: str = "") -> Coding:
    """A coding in canonical spelling.

    Systems: object identifiers, aliases, editions, ``https``, case and trailing slashes are understood.
    Codes: surrounding space goes; ICD-10-CM gets its dot ("N184" becomes "N18.4"), NDC its 11 digits where the
    spelling allows only one reading (a 10-digit NDC without hyphens stays as it is, see ``ndc_candidates``).
    """
    canonical = canonical_system(system) if system else ""
    return Coding(canonical, _canonical_code(canonical, code.strip()), display.strip())


def ndc_candidates(code: str) -> tuple[str, ...]:
    """The 11-digit codes a canonical NDC may stand for: itself, or three when it is 10 digits without hyphens."""
    if len(code) == 10 and code.isdecimal():
        return ("0" + code, code[:5] + "0" + code[5:], code[:9] + "0" + code[9:])
    return (code,)


def _canonical_code(system: str, code: str) -> str:
    if system == ICD_10_CM:
        return _canonical_icd(code.upper())
    if system == NDC:
        return _canonical_ndc(code)
    if system in (HCPCS, ATC, LOINC):
        return code.upper()
    return code


def _canonical_icd(code: str) -> str:
    code = code.removesuffix("-").removesuffix(".")
    if _ICD_CODE.match(code) and len(code) > 3 and code[3] != ".":
        return f"{code[:3]}.{code[3:]}"
    return code


def _canonical_ndc(code: str) -> str:
    match = _NDC_HYPHENATED.match(code)
    if match is None:
        return code
    labeler, product, package = match.groups()
    # 4-4-2, 5-3-2, 5-4-1 and 5-4-2 are the only forms; each pads one segment to 5-4-2.
    if len(labeler) + len(product) + len(package) not in (10, 11):
        return code
    return labeler.zfill(5) + product.zfill(4) + package.zfill(2)
