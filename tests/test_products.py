"""What a medication is made of, told from codes and names as records have them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.terminology import Terminology
from cds_service.terminology.codes import ATC, HCPCS, NDC, RXNORM, SNOMED_CT, coding
from cds_service.terminology.products import Content, Product

TERMINOLOGY = Terminology.load()


def _named(*texts: str) -> Product:
    return TERMINOLOGY.medication([], texts)


def _coded(system: str, *codes: str, text: str = "") -> Product:
    return TERMINOLOGY.medication([coding(system, code) for code in codes], [text] if text else [])


def _range(contents: tuple[Content, ...]) -> tuple[str, str] | None:
    """The only content's range in plain digits; None when no strength is known."""
    (content,) = contents
    if content.low is None or content.high is None:
        return None
    return f"{content.low.normalize():f}", f"{content.high.normalize():f}"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("calcium carbonate 1250 mg oral tablet (500 mg elemental)", "500", "500"),
        ("calcium carbonate 1,250 mg (500 mg elemental)", "500", "500"),
        ("CALCIUM CARBONATE 500 MG CALCIUM (1,250 MG) TABLET", "500", "500"),
        ("calcium carbonate (calcium 500) 1,250 mg", "500", "500"),
        ("calcium carbonate-vitamin D3 600 mg(1,500mg) -400 unit Tab", "600", "600"),
        ("calcium (elemental) chewable 667 mg elemental", "667", "667"),
        ("elemental calcium 500 mg", "500", "500"),
        ("500 mg elemental calcium", "500", "500"),
        ("calcium (as carbonate) 600 mg", "600", "600"),
        ("calcium 600 mg (as calcium carbonate 1500 mg) tablet", "600", "600"),
        ("calcium 500 mg", "500", "500"),
        ("Calcium 600 with Vitamin D 400 IU", "600", "600"),
        ("600 mg calcium + 400 IU vitamin D", "600", "600"),
        ("coral calcium 500 mg", "500", "500"),
        ("Oyster Shell Calcium 500 mg", "500", "500"),
        ("calcium citrate malate 250 mg calcium", "250", "250"),
        ("Caltrate 600", "600", "600"),
        ("Caltrate 600+D", "600", "600"),
        ("Os-Cal 500", "500", "500"),
        ("Citracal 315", "315", "315"),
        ("Viactiv 500", "500", "500"),
        ("Caltrate 600+D (calcium carbonate 1500 mg / cholecalciferol 800 UNT) oral tablet", "600", "600"),
        ("Os-Cal 500 with D (calcium carbonate 1250 mg / cholecalciferol 200 UNT) oral tablet", "500", "500"),
        ("prenatal vitamin with calcium carbonate 500 mg (200 mg elemental) oral tablet", "200", "200"),
        ("calcium carbonate 1500 mg oral tablet", "600", "600"),
        ("calcium carbonate 650 MG Oral Tablet", "260", "260"),
        ("calcium carbonate 648 MG Oral Tablet", "259", "259"),
        ("calcium carbonate 750 MG Chewable Tablet", "300", "300"),
        ("calcium carbonate 1000 mg", "400", "400"),
        ("Tums E-X 750 mg chewable tablet (calcium carbonate 750 mg)", "300", "300"),
        ("Tums 500 mg", "200", "200"),
        ("calcium carbonate 500 MG Chewable Tablet", "200", "200"),
        ("calcium carbonate 500 mg oral tablet", "200", "500"),
        ("calcium carbonate 600 MG / cholecalciferol 400 UNT Oral Tablet", "240", "600"),
        ("calcium carbonate 499 mg oral tablet", "199.6", "199.6"),
        ("calcium citrate 950 mg oral tablet (200 mg elemental)", "200", "200"),
        ("calcium citrate 315 MG / cholecalciferol 200 UNT Oral Tablet", "66.465", "315"),
        ("calcium citrate 316 MG Oral Tablet", "66.676", "66.676"),
        ("calcium acetate 667 mg oral capsule (PhosLo)", "169", "169"),
        ("calcium acetate(phosphat bind) 667 mg capsule", "169", "169"),
        ("calcium phosphate 1000 MG Oral Tablet", "233", "388"),
        ("{30 (calcium carbonate 1250 MG Oral Tablet) } Pack", "500", "500"),
        ("calcium carbonate 500 mg / magnesium hydroxide 110 MG chewable tablet", "200", "200"),
        ("famotidine 10 MG / calcium carbonate 800 MG / magnesium hydroxide 165 MG Chewable Tablet", "320", "320"),
        ("calcium carbonate 1,25 g", "500", "500"),
        ("calcium carbonate 1.250 mg tablet", "500", "500"),
        ("calcium gluconate 1 g IV", "93", "93"),
    ],
)
def test_the_calcium_of_one_unit_is_read_from_its_name(text: str, low: str, high: str) -> None:
    product = _named(text)
    assert "calcium" in product.classes
    assert _range(product.calcium) == (low, high)
    assert product.calcium[0].per == "unit"


@pytest.mark.parametrize(
    ("text", "per_ml"),
    [
        ("calcium gluconate 10% injection", "9.3"),
        ("10 ML calcium gluconate 100 MG/ML Injection", "9.3"),
        ("calcium gluconate 1 g/50 mL IVPB", "1.86"),
        ("calcium chloride 100 mg/mL (10 %) IV syringe", "27.3"),
        ("calcium chloride 13.6 mEq/10 mL", "27.2544"),
        ("calcium acetate 133 MG/ML Oral Solution [Phoslyra]", "33.649"),
        ("calcium carbonate 1250 mg/5 mL (500 mg/5 mL elemental) oral suspension", "100"),
        ("calcium carbonate 500 mg/5 mL (1,250 mg/5 mL) oral suspension", "100"),
    ],
)
def test_the_calcium_of_a_liquid_is_per_millilitre(text: str, per_ml: str) -> None:
    product = _named(text)
    assert _range(product.calcium) == (per_ml, per_ml)
    assert product.calcium[0].per == "mL"


@pytest.mark.parametrize("text", ["calcium supplement", "calcium carbonate oral tablet", "Calcium/Vitamin D", "Tums"])
def test_calcium_without_a_strength_has_an_unknown_content(text: str) -> None:
    product = _named(text)
    assert "calcium" in product.classes
    assert _range(product.calcium) is None


def test_a_salt_strength_is_kept_beside_its_calcium() -> None:
    (content,) = _named("calcium carbonate 1250 mg oral tablet (500 mg elemental)").calcium
    assert (content.salt_mg, content.fraction, content.basis) == (Decimal(1250), Decimal("0.40"), "stated")


def test_two_salts_in_one_tablet_are_two_contents() -> None:
    product = _named("calcium carbonate 200 MG / calcium citrate 100 MG / folic acid 1 MG Oral Tablet")
    assert [(content.substance, content.high) for content in product.calcium] == [
        ("calcium carbonate", 80),
        ("calcium citrate", Decimal("21.1")),
    ]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("cholecalciferol 1000 UNT oral tablet", "1000"),
        ("ergocalciferol (vitamin D2) 1.25 mg (50,000 unit) capsule", "50000"),
        ("ergocalciferol 1.25 MG Oral Capsule", "50000"),
        ("ergocalciferol 50,000 UNT oral capsule", "50000"),
        ("vitamin D3 2000 units capsule", "2000"),
        ("Vitamin D 50 000 IU", "50000"),
        ("vitamin D3 50.000 IU", "50000"),
        ("vitamin D3 50k units", "50000"),
        ("vitamin D 3 400 IU", "400"),
        ("vitamin D3 1000 [iU]", "1000"),
        ("vitamin D 1,000 I.U.", "1000"),
        ("cholecalciferol 125 mcg (5,000 unit) tablet", "5000"),
        ("colecalciferol 20 µg", "800"),
        ("cholecalciferol (VITAMIN D3) 1,000 unit tablet", "1000"),
        ("Vitamin D3 5000", "5000"),
        ("calcium carbonate-vitamin D3 600 mg-400 unit tab", "400"),
        ("CALCIUM CARBONATE-VITAMIN D3 600 MG-10 MCG (400 UNIT) TABLET", "400"),
        ("Os-Cal 500 + D3 500-200 mg-unit", "200"),
        ("calcium carbonate 1500 MG / cholecalciferol 800 UNT Oral Tablet", "800"),
        ("calcium carbonate 1250 MG / cholecalciferol 500 UNT / Vitamin K 1 0.04 MG Chewable Tablet", "500"),
        ("alendronic acid 70 MG / cholecalciferol 5600 UNT Oral Tablet [Fosamax Plus D]", "5600"),
        ("Fosamax Plus D 70 mg-2,800 unit", "2800"),
    ],
)
def test_vitamin_d_is_read_in_international_units(text: str, units: str) -> None:
    product = _named(text)
    assert "vitamin-d-nutritional" in product.classes
    assert _range(product.vitamin_d) == (units, units)
    assert product.notes == ()


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("cholecalciferol 400 unit/mL oral drops", "400"),
        ("ergocalciferol 8000 UNT/ML Oral Solution [Drisdol]", "8000"),
    ],
)
def test_vitamin_d_drops_are_per_millilitre(text: str, units: str) -> None:
    product = _named(text)
    assert _range(product.vitamin_d) == (units, units)
    assert product.vitamin_d[0].per == "mL"


@pytest.mark.parametrize("text", ["Caltrate 600+D", "calcium + D", "Calcium/Vitamin D", "vitamin D"])
def test_vitamin_d_without_a_strength_has_an_unknown_content(text: str) -> None:
    product = _named(text)
    assert "vitamin-d-nutritional" in product.classes
    assert _range(product.vitamin_d) is None


def test_a_number_that_can_be_a_hundred_or_a_hundred_thousand_stays_both() -> None:
    assert _range(_named("vitamin D3 100.000 IU").vitamin_d) == ("100", "100000")


def test_an_impossible_amount_of_vitamin_d_is_not_believed() -> None:
    product = _named("calcium carbonate 600 MG / cholecalciferol 500 MG Oral Capsule")
    assert _range(product.vitamin_d) is None
    assert product.notes == ("strength-implausible",)


NOT_CALCIUM = """
atorvastatin calcium 40 MG Oral Tablet; rosuvastatin calcium 20 mg tablet; amlodipine-atorvastatin calcium;
leucovorin calcium 15 mg tablet; levoleucovorin calcium injection; calcium folinate 50 mg; docusate calcium 240 mg;
fenoprofen calcium 600 mg; heparin calcium 5000 unit; calcium polystyrene sulfonate powder; acamprosate calcium 333 mg;
calcium pantothenate 100 mg; pantothenate calcium; mupirocin calcium 2 % cream; salmon calcitonin nasal spray;
edetate calcium disodium; calcium disodium versenate; carbasalate calcium; calcium channel blocker;
amlodipine (calcium channel blocker); calcium antagonist; calcium-free solution; no calcium;
multivitamin without calcium; rosuvastatin (as calcium) 10 mg; rosuvastatin (calcium) 10 mg;
Atorvastatin (Calcium Salt) 10 MG; pitavastatin calcium 2 mg; fosfomycin calcium; ezetimibe / rosuvastatin calcium;
levomefolate calcium; candesartan cilexetil; polycarbophil calcium; calcium polycarbophil 625 mg; calcium dobesilate;
calcium carbimide; calcium alginate dressing; calcium hydroxide paste; calcium stearate; sennosides calcium;
cefditoren calcium; zofenopril calcium 30 mg; ketoprofen calcium; pentetate calcium trisodium; varespladib calcium;
dexibuprofen calcium; nadroparin calcium; aminosalicylate calcium; ATORVASTATIN CALCIUM, 40 mg; atorvastatin, calcium;
Calcium carbonate 6 [hp_X] pellet; calcipotriene 0.005 % cream; Lipitor (atorvastatin calcium) 40 mg;
hydroxymethylbutyrate calcium; calcium phosphate oral rinse; multivitamin with calcium; Centrum Silver;
calcium score CT; metformin 500 mg oral tablet
"""


@pytest.mark.parametrize("text", [name.strip() for name in NOT_CALCIUM.split(";")])
def test_v08_the_calcium_salt_of_another_drug_is_not_calcium(text: str) -> None:
    product = _named(text)
    assert "calcium" not in product.classes
    assert product.calcium == ()
    assert product.identified


@pytest.mark.parametrize(
    "text", ["Acme Calcium + D3", "Kirkland calcium 600 mg + D3", "Calcium Gummies", "calcium, magnesium"]
)
def test_a_makers_name_before_calcium_does_not_hide_it(text: str) -> None:
    assert "calcium" in _named(text).classes


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("zoledronic acid 5 mg/100 mL IV infusion (Reclast)", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        ("ZOLEDRONIC ACID 5 MG/100ML IV SOLN", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        ("100 ML zoledronic acid 0.05 MG/ML Injection [Reclast]", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        (
            "zoledronic acid 4 mg/5 mL concentrate for IV infusion (Zometa)",
            {"iv-bisphosphonate", "zoledronic-acid-4mg"},
        ),
        ("Zometa 4mg IVPB", {"iv-bisphosphonate", "zoledronic-acid-4mg"}),
        ("zoledronic acid 4 mg/100 mL", {"iv-bisphosphonate", "zoledronic-acid-4mg"}),
        ("zoledronic acid 3.3 mg IV", {"iv-bisphosphonate", "zoledronic-acid-4mg"}),
        ("Aclasta", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        ("zoledronate", {"iv-bisphosphonate"}),
        ("zoledronic acid monohydrate", {"iv-bisphosphonate"}),
        ("zoledronic acid 4.5 mg", {"iv-bisphosphonate"}),
        ("pamidronate disodium 90 mg IV infusion", {"iv-bisphosphonate"}),
        ("ibandronate 3 mg/3 mL IV prefilled syringe", {"iv-bisphosphonate"}),
        ("ibandronic acid 3 mg", {"iv-bisphosphonate"}),
        ("ibandronic acid 150 mg", {"oral-bisphosphonate"}),
        ("ibandronate 2.5 mg", {"oral-bisphosphonate"}),
        ("Boniva tablet", {"oral-bisphosphonate"}),
        ("alendronic acid 70 MG Oral Tablet", {"oral-bisphosphonate"}),
        ("alendronate sodium 70 mg", {"oral-bisphosphonate"}),
        ("risedronate sodium 35 mg oral tablet", {"oral-bisphosphonate"}),
        ("etidronate disodium 400 MG Oral Tablet [Didronel]", {"other-bisphosphonate"}),
        ("denosumab 60 mg/mL subcutaneous prefilled syringe (Prolia)", {"denosumab", "denosumab-60"}),
        ("denosumab 120 mg/1.7 mL", {"denosumab", "denosumab-120"}),
        ("1.7 ML denosumab 70 MG/ML Injection [Xgeva]", {"denosumab", "denosumab-120"}),
        ("Wyost", {"denosumab", "denosumab-120"}),
        ("denosumab", {"denosumab"}),
        ("Forteo", {"anabolic"}),
        ("teriparatide 0.3 MG/ML Pen Injector [Yorvipath]", set()),
        ("raloxifene hydrochloride 60 MG Oral Tablet", {"serm"}),
        ("calcitonin salmon nasal spray", {"calcitonin"}),
        ("cinacalcet 30 mg", {"calcimimetic"}),
        ("calcitriol 0.25 mcg oral capsule", {"vitamin-d-active"}),
        ("calcitriol 3 mcg/g ointment", set()),
        ("calcipotriene 0.005 % cream", set()),
        ("calcifediol 0.02 MG Oral Capsule", {"calcifediol"}),
        ("25-hydroxyvitamin D3 10 mcg", {"calcifediol"}),
        ("Tums", {"calcium", "calcium-antacid"}),
        ("calcium carbonate 750 MG Chewable Tablet", {"calcium", "calcium-antacid"}),
        ("calcium acetate 667 mg oral capsule", {"calcium", "calcium-binder"}),
        ("calcium gluconate 10% injection", {"calcium", "calcium-parenteral"}),
        ("calcium gluconate 500 MG Oral Tablet", {"calcium"}),
        ("sevelamer carbonate 800 mg oral tablet", {"phosphate-binder"}),
        ("lanthanum carbonate 500 mg chewable tablet", {"phosphate-binder"}),
        ("K-Phos neutral", {"phosphate"}),
        ("potassium phosphate 15 mmol in D5W IV", {"phosphate"}),
        ("sodium phosphate enema", set()),
        ("dexamethasone sodium phosphate 4 mg/mL injection", {"systemic-glucocorticoid"}),
        ("clindamycin phosphate 1 % lotion", set()),
        ("levothyroxine sodium 0.1 mg oral tablet", {"levothyroxine"}),
        ("ciprofloxacin 500 mg tablet", {"fluoroquinolone"}),
        ("ciprofloxacin 0.3 % ophthalmic solution", set()),
        ("doxycycline hyclate 100 mg", {"tetracycline"}),
        ("Tivicay 50 mg", {"dolutegravir"}),
        ("prednisone 10 mg tablet", {"systemic-glucocorticoid"}),
        ("hydrocortisone 1% cream", set()),
        ("budesonide inhaler", set()),
        ("omeprazole 20 mg capsule", {"acid-suppressant"}),
        ("multivitamin", {"multivitamin"}),
        ("Actonel with Calcium", {"oral-bisphosphonate", "calcium"}),
    ],
)
def test_a_name_gives_the_classes(text: str, classes: set[str]) -> None:
    assert _named(text).classes == classes


@pytest.mark.parametrize(
    ("text", "dose"),
    [("Reclast", "5"), ("Zometa", "4"), ("zoledronic acid 5 mg/100 mL", "5"), ("ibandronate 3 mg/3 mL", "3"),
     ("10 ML pamidronate disodium 3 MG/ML Injection", None), ("pamidronate 90 mg", "90"), ("zoledronic acid", None)],
)  # fmt: skip
def test_a_single_dose_injectable_has_its_dose(text: str, dose: str | None) -> None:
    assert _named(text).dose_mg == (None if dose is None else Decimal(dose))


def test_the_dose_ordered_tells_the_strength_that_the_name_does_not() -> None:
    five = TERMINOLOGY.medication([coding(HCPCS, "J3489")], [], dose_hint=Decimal(5))
    assert "zoledronic-acid-5mg" in five.classes
    assert "zoledronic-acid-4mg" not in five.classes
    assert TERMINOLOGY.medication([], ["Reclast"], dose_hint=Decimal(4)).dose_mg == 5


def test_a_brand_that_contradicts_a_concentration_leaves_the_strength_open() -> None:
    product = _named("Zometa 5 mg/100 mL")
    assert product.classes == {"iv-bisphosphonate"}
    assert product.notes == ("strength-differs",)


def test_ibandronate_without_a_route_is_taken_for_the_infusion_and_says_so() -> None:
    product = _named("ibandronate")
    assert product.classes == {"iv-bisphosphonate"}
    assert (product.route, product.notes) == ("", ("route-not-stated",))


def test_the_order_can_tell_ibandronates_route() -> None:
    assert TERMINOLOGY.medication([], ["ibandronate"], route_hint="Intravenous route").classes == {"iv-bisphosphonate"}
    assert TERMINOLOGY.medication([], ["ibandronate"], route_hint="by mouth").classes == {"oral-bisphosphonate"}
    assert TERMINOLOGY.medication([], ["ibandronate"], form_hint="Tablet").classes == {"oral-bisphosphonate"}
    assert TERMINOLOGY.medication([], ["ibandronate"], dose_hint=Decimal(150)).classes == {"oral-bisphosphonate"}


@pytest.mark.parametrize(
    ("system", "code", "classes"),
    [
        (RXNORM, "77655", {"iv-bisphosphonate"}),
        (RXNORM, "705824", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        (RXNORM, "1114085", {"iv-bisphosphonate", "zoledronic-acid-4mg"}),
        (RXNORM, "904932", {"oral-bisphosphonate"}),
        (RXNORM, "904952", {"iv-bisphosphonate"}),
        (RXNORM, "904492", {"oral-bisphosphonate", "vitamin-d-nutritional"}),
        (RXNORM, "388517", set()),
        (RXNORM, "1668250", {"calcium", "calcium-parenteral"}),
        (ATC, "M05BA08", {"iv-bisphosphonate"}),
        (ATC, "A12AX", {"calcium", "vitamin-d-nutritional"}),
        (ATC, "H05BX01", {"calcimimetic"}),
        (SNOMED_CT, "395926009", {"iv-bisphosphonate"}),
        (HCPCS, "J3488", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        (HCPCS, "J0615", {"calcium", "calcium-binder"}),
        (NDC, "0078-0435-61", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
        (NDC, "0078043561", {"iv-bisphosphonate", "zoledronic-acid-5mg"}),
    ],
)
def test_v01_v18_a_code_alone_is_enough(system: str, code: str, classes: set[str]) -> None:
    product = _coded(system, code)
    assert product.classes == classes
    assert product.identified


def test_a_billing_codes_unit_is_not_a_strength() -> None:
    product = TERMINOLOGY.medication([coding(HCPCS, "J0612", "Injection, calcium gluconate, 10 mg")], [])
    assert _range(product.calcium) is None


def test_v05_all_codings_are_read_and_parts_of_one_drug_do_not_disagree() -> None:
    product = _coded(RXNORM, "99999998", "1897", "2418", "1233607")
    assert _range(product.calcium) == ("500", "500")
    assert _range(product.vitamin_d) == ("600", "600")
    assert product.notes == ()


def test_codings_that_disagree_are_both_kept_and_the_infusion_wins() -> None:
    product = _coded(RXNORM, "904431", "705824")
    assert product.classes == {"iv-bisphosphonate", "zoledronic-acid-5mg"}
    assert set(product.ingredients) == {"alendronate", "zoledronic acid"}
    assert product.notes == ("codings-disagree",)


def test_v07_a_code_that_contradicts_its_text_keeps_both_and_says_so() -> None:
    for code, text in (("198145", "alendronate 70 mg"), ("904431", "prednisone 5 mg")):
        product = _coded(RXNORM, code, text=text)
        assert product.classes == {"oral-bisphosphonate", "systemic-glucocorticoid"}
        assert product.notes == ("code-contradicts-text",)
    infusion = _coded(RXNORM, "904431", text="zoledronic acid")
    assert infusion.classes == {"iv-bisphosphonate"}
    assert infusion.route == "iv"


def test_a_code_nobody_knows_says_nothing() -> None:
    product = _coded(RXNORM, "99999999", text="alendronate 70 mg")
    assert product.classes == {"oral-bisphosphonate"}
    assert product.notes == ()


def test_v09_a_combination_counts_for_both() -> None:
    product = _coded(RXNORM, "1310948")
    assert product.classes == {"calcium", "vitamin-d-nutritional"}
    assert (_range(product.calcium), _range(product.vitamin_d)) == (("600", "600"), ("800", "800"))


def test_a_text_can_settle_what_a_code_leaves_open() -> None:
    assert _range(_coded(RXNORM, "668292").calcium) == ("240", "600")
    assert _range(_coded(RXNORM, "668292", text="Caltrate 600+D").calcium) == ("600", "600")


def test_a_code_and_a_text_of_different_strength_cover_both() -> None:
    product = _coded(RXNORM, "282465", text="calcium carbonate 1500 mg oral tablet")
    assert _range(product.calcium) == ("500", "600")
    assert product.notes == ("strength-differs",)


@pytest.mark.parametrize(
    ("code", "calcium", "vitamin_d"),
    [
        ("282465", "500", None), ("237420", "600", None), ("308892", "400", None), ("308915", "300", None),
        ("308907", "200", None), ("359296", "169", None), ("198538", "200", None), ("240755", "219.44", None),
        ("308928", "148.2", None), ("1233607", "500", "600"), ("1310948", "600", "800"), ("877318", "500", "400"),
        ("1005706", "250", "200"), ("1001397", "120", "62.5"), ("808596", "600", "500"), ("1243415", "500", "200"),
        ("199362", None, "1000"), ("705728", None, "50000"), ("1367410", None, "50000"), ("904462", None, "5600"),
        ("1044524", "400", None), ("790271", "600", None), ("1005705", "315", "250"), ("1244026", "250", "400"),
    ],
)  # fmt: skip
def test_a_shipped_product_code_has_its_labelled_content(code: str, calcium: str | None, vitamin_d: str | None) -> None:
    product = _coded(RXNORM, code)
    assert (product.calcium == ()) is (calcium is None)
    assert (product.vitamin_d == ()) is (vitamin_d is None)
    if calcium is not None:
        assert _range(product.calcium) == (calcium, calcium)
    if vitamin_d is not None:
        assert _range(product.vitamin_d) == (vitamin_d, vitamin_d)


@pytest.mark.parametrize(
    ("texts", "identified"), [((), False), (("",), False), (("123 / 5",), False), (("xyz",), True)]
)
def test_only_a_record_without_code_and_letters_is_unidentified(texts: tuple[str, ...], identified: bool) -> None:
    assert TERMINOLOGY.medication([], texts).identified is identified


def test_an_unknown_code_alone_is_unidentified() -> None:
    assert not _coded(RXNORM, "99999999").identified


def test_a_product_is_recognised_once() -> None:
    first = _named("a name only this test uses")
    assert _named("a name only this test uses") is first


def test_what_is_remembered_is_bounded() -> None:
    terminology = Terminology.load()
    for number in range(4200):
        terminology.medication([], [f"x {number}"])
    assert len(terminology._recent) == 4096


def test_without_licensed_terminologies_a_name_still_tells() -> None:
    plain = Terminology.load(frozenset())
    assert not plain.medication([coding(ATC, "M05BA08")], []).identified
    assert "iv-bisphosphonate" in plain.medication([coding(ATC, "M05BA08", "zoledronic acid")], []).classes


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    product = _named(text)
    for content in (*product.calcium, *product.vitamin_d):
        assert (content.low is None) == (content.high is None)
        assert content.low is None or content.high is None or Decimal(0) <= content.low <= content.high


_WORDS = st.sampled_from(
    ["calcium", "carbonate", "vitamin", "d3", "citrate", "(", ")", "/", "-", "+", "as", "elemental", "mg", "unit", "mL",
     "1,250", "1.250", "500", "0", "%", "mEq", "Caltrate", "Tums", "zoledronic acid", "with", "per", "[", "]", "x"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=14).map(" ".join))
def test_any_mixture_of_known_words_gives_ordered_ranges(text: str) -> None:
    product = _named(text)
    for content in (*product.calcium, *product.vitamin_d):
        assert content.low is None or content.high is None or Decimal(0) <= content.low <= content.high
