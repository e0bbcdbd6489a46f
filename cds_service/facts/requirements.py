"""The requirements a rule may declare: what to ask the EHR for, one key per clinical domain."""

from __future__ import annotations

from ..fhir.requirement import DataRequirement


def _laboratory(key: str, *value_sets: str, newest: int) -> DataRequirement:
    """The newest Observations with a code of these value sets; no date filter, or undated results would be lost."""
    return DataRequirement(key, "Observation", value_sets=value_sets, newest=newest)


PATIENT = DataRequirement("patient", "Patient", by_id=True)
MEDICATIONS = DataRequirement(
    "medications",
    "MedicationRequest",
    status=("active", "on-hold", "completed", "stopped", "unknown"),
    include=("MedicationRequest:medication",),
)
MEDICATION_STATEMENTS = DataRequirement(
    "medication-statements", "MedicationStatement", status=("active", "completed", "intended", "unknown")
)
CONDITIONS = DataRequirement("conditions", "Condition")
# Fractions before totals: a code that measures D3 only is also listed among those used for the total.
VITAMIN_D = _laboratory("vitamin-d", "vitamin-d-25oh-d2", "vitamin-d-25oh-d3", "vitamin-d-25oh", newest=20)
SERUM_CALCIUM = _laboratory(
    "serum-calcium", "calcium-total", "calcium-corrected", "calcium-ionised", "albumin", newest=50
)
DIETARY_CALCIUM = _laboratory("dietary-calcium", "dietary-calcium", newest=5)
RENAL = _laboratory("renal", "creatinine", "creatinine-clearance", "egfr", "body-weight", "body-height", newest=100)
PTH = _laboratory("pth", "pth", newest=10)
PHOSPHATE = _laboratory("phosphate", "phosphate", "magnesium", "alp", newest=30)
URINE_CALCIUM = _laboratory("urine-calcium", "urine-calcium-24h", newest=10)
DXA = _laboratory("dxa", "dxa-t-score", "dxa", newest=10)
SERVICE_REQUESTS = DataRequirement("service-requests", "ServiceRequest", status=("active",), newest=50)
