"""The import of an RxNorm release, and look-ups in what it wrote."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cds_service.terminology import Terminology, TerminologyError
from cds_service.terminology.codes import NDC, RXNORM, coding
from cds_service.terminology.rxnorm import RxNormIndex, import_rxnorm


def _conso(rxcui: str, tty: str, name: str, sab: str = "RXNORM", suppress: str = "N") -> str:
    return f"{rxcui}|ENG||||||1|1|{rxcui}||{sab}|{tty}|{rxcui}|{name}||{suppress}|4096|\n"


def _rel(first: str, relation: str, second: str, sab: str = "RXNORM") -> str:
    return f"{first}||CUI|RO|{second}||CUI|{relation}|1||{sab}||||||\n"


def _sat(rxcui: str, name: str, value: str, sab: str = "RXNORM") -> str:
    return f"{rxcui}|||1|CUI|{rxcui}|1||{name}|{sab}|{value}|N|4096|\n"


CONSO = (
    _conso("3002", "IN", "cyclophosphamide")
    + _conso("1545988", "SCD", "cyclophosphamide 50 MG Oral Capsule")
    + _conso("1545988", "SY", "cyclophosphamide 50 mg cap", sab="MTHSPL")
    + _conso("77655", "IN", "zoledronic acid")
    + _conso("9000001", "SCD", "100 ML zoledronic acid 0.05 MG/ML Injection")
    + _conso("9000002", "BN", "Boneforce")
    + _conso("9000003", "SCD", "calcium carbonate 1250 MG Oral Tablet")
    + _conso("9000004", "SCD", "withdrawn 1 MG Oral Tablet", suppress="E")
    + _conso("9000005", "SCD", "foreign 1 MG Oral Tablet", sab="NDDF")
)
REL = _rel("9000002", "tradename_of", "77655") + _rel("9000002", "tradename_of", "3002", sab="VANDF")
SAT = (
    _sat("9000001", "NDC", "00078043561")
    + _sat("9000003", "NDC", "12345067890")
    + _sat("9000003", "NDC", "00999999999", sab="MTHSPL")
    + _sat("9000003", "RXN_AVAILABLE_STRENGTH", "1250 MG")
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "RxNorm_full_prescribe_02022026"
    (folder / "rrf").mkdir(parents=True)
    for name, text in (("RXNCONSO.RRF", CONSO), ("RXNREL.RRF", REL), ("RXNSAT.RRF", SAT)):
        (folder / "rrf" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def index(release: Path, tmp_path: Path) -> Iterator[RxNormIndex]:
    import_rxnorm(release, tmp_path / "rxnorm.sqlite")
    with closing(RxNormIndex(tmp_path / "rxnorm.sqlite")) as opened:
        yield opened


def test_an_import_says_what_it_wrote(release: Path, tmp_path: Path) -> None:
    summary = import_rxnorm(release, tmp_path / "deep" / "rxnorm.sqlite")
    assert summary.target.is_file()
    assert (summary.release, summary.concepts, summary.ndcs, summary.brands) == ("20260202", 6, 2, 1)


def test_only_nlms_own_rows_are_kept(index: RxNormIndex) -> None:
    assert index.name("1545988") == "cyclophosphamide 50 MG Oral Capsule"
    assert index.name("9000004") is None
    assert index.name("9000005") is None
    assert index.by_ndc("00078043561") == "9000001"
    assert index.by_ndc("00999999999") is None
    assert index.ingredients("9000002") == ("zoledronic acid",)
    assert index.release == "20260202"


def test_a_folder_its_rrf_folder_and_the_zip_give_the_same(release: Path, tmp_path: Path) -> None:
    archive = tmp_path / "RxNorm_full_prescribe_02022026.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for file in (release / "rrf").iterdir():
            made.write(file, f"rrf/{file.name}")
    summaries = [import_rxnorm(source, tmp_path / "x.sqlite") for source in (release, release / "rrf", archive)]
    assert summaries[0] == summaries[1] == summaries[2]


def test_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TerminologyError, match=r"RXNCONSO\.RRF, RXNREL\.RRF, RXNSAT\.RRF"):
        import_rxnorm(tmp_path, tmp_path / "x.sqlite")


def test_a_truncated_file_is_refused_with_its_line(release: Path, tmp_path: Path) -> None:
    (release / "rrf" / "RXNREL.RRF").write_text(REL[:-30], encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"RXNREL\.RRF, line 2: the file is truncated"):
        import_rxnorm(release, tmp_path / "x.sqlite")


def test_an_empty_file_is_refused(release: Path, tmp_path: Path) -> None:
    (release / "rrf" / "RXNSAT.RRF").write_text("", encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"RXNSAT\.RRF: the file is empty"):
        import_rxnorm(release, tmp_path / "x.sqlite")


def test_a_wrong_number_of_columns_is_refused_with_its_line(release: Path, tmp_path: Path) -> None:
    (release / "rrf" / "RXNSAT.RRF").write_text(SAT + "1|2|3|\n", encoding="utf-8")
    with pytest.raises(TerminologyError, match=r"RXNSAT\.RRF, line 5: expected 13 columns, got 3"):
        import_rxnorm(release, tmp_path / "x.sqlite")


def test_a_failed_import_leaves_the_earlier_file_and_nothing_else(release: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "rxnorm.sqlite"
    import_rxnorm(release, target)
    before = target.read_bytes()
    (release / "rrf" / "RXNCONSO.RRF").write_text("broken\n", encoding="utf-8")
    with pytest.raises(TerminologyError, match="expected 18 columns"):
        import_rxnorm(release, target)
    assert target.read_bytes() == before
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_no_import_wrote_is_refused(tmp_path: Path) -> None:
    stranger = tmp_path / "x.sqlite"
    with pytest.raises(TerminologyError, match="expected a file written by the RxNorm import"):
        RxNormIndex(stranger)
    stranger.write_text("not a database, and long enough for nobody to take it for one", encoding="utf-8")
    with pytest.raises(TerminologyError, match="expected a file written by the RxNorm import"):
        RxNormIndex(stranger)


def test_several_threads_may_ask_at_once(index: RxNormIndex) -> None:
    answers: list[str | None] = []
    threads = [threading.Thread(target=lambda: answers.append(index.name("77655"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["zoledronic acid"] * 8


def test_a_code_that_only_the_release_knows_is_recognised(release: Path, tmp_path: Path) -> None:
    import_rxnorm(release, tmp_path / "rxnorm.sqlite")
    terminology = Terminology.load(rxnorm_path=tmp_path / "rxnorm.sqlite")
    index = terminology.rxnorm
    assert index is not None
    with closing(index):
        known = terminology.medication([coding(RXNORM, "9000001")], [])
        assert {"iv-bisphosphonate", "zoledronic-acid-5mg"} <= known.classes
        assert "iv-bisphosphonate" in terminology.medication([coding(RXNORM, "9000002")], []).classes
        by_ndc = terminology.medication([coding(NDC, "1234567890")], [])
        assert [content.high for content in by_ndc.calcium] == [500]
        other = terminology.medication([coding(RXNORM, "3002")], [])
        assert other.identified
        assert not other.classes


def test_v07_a_code_of_a_drug_of_no_interest_contradicts_its_text(release: Path, tmp_path: Path) -> None:
    import_rxnorm(release, tmp_path / "rxnorm.sqlite")
    terminology = Terminology.load(rxnorm_path=tmp_path / "rxnorm.sqlite")
    index = terminology.rxnorm
    assert index is not None
    with closing(index):
        product = terminology.medication([coding(RXNORM, "1545988")], ["alendronate 70 mg tablet"])
    assert product.classes == {"oral-bisphosphonate"}
    assert product.notes == ("code-contradicts-text",)
