"""The memo prints on one page, whatever stands in it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.publish.report.memo import render_memo
from plantation_rwa.publish.report.view import gather
from plantation_rwa.publish.report.words import DRIVERS, STRESSES
from tests.publish.portfolio import summary
from tests.publish.report_states import LONG, whole
from tests.publish.test_memo import RISK, TERMS

FLAGS = (
    "few_clear;little_imagery;no_sensors;short_harvest;area_mismatch;quarantined;over_age;tenure_end;curve_stale;"
    "fiscal_ended;oer_default;rates_missing;simulated"
)
TRACK = pd.DataFrame(
    [
        ("yield of months 1 to 12: share of climatology's squared error avoided", 0.41, 0.32, 0.5, 1200),
        ("yield of months 1 to 12: share inside the 90 % interval", 0.9, 0.88, 0.92, 1200),
        ("value of past rights: share inside the 90 % interval", 0.93, 0.88, 0.97, 120),
        ("value of past rights: CRPS less than a banker's sheet's by", 0.43, 0.35, 0.5, 120),
    ],
    columns=["what", "value", "lo", "hi", "n"],
)


def pages(html: Path, pdf: Path) -> int:
    """Pages of the printed file."""
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
        f"--user-data-dir={pdf.with_suffix('')}", f"--print-to-pdf={pdf}", html.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    return len(re.findall(rb"/Type /Page\b", pdf.read_bytes()))


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("kind", ["usual", "full", "long name"])
def test_a_memo_is_one_page_of_a4(requires: Callable[..., None], tmp_path: Path, kind: str) -> None:
    requires("chromium")
    data = whole(6) if kind == "usual" else type(summary(6))(**{**vars(whole(6)), "track": TRACK})
    plantation = gather(data).plantations[2]
    record = dict(plantation.records[0])
    if kind != "usual":
        extremes = {column: 0.9 for column, _, _ in DRIVERS} | dict.fromkeys(STRESSES, 120_000.0)
        record |= TERMS | RISK | extremes | {"quality_flag": FLAGS, "price_cap": 900.0, "min_payment": 10.0}
    if kind == "long name":
        plantation = type(plantation)(**{**vars(plantation), "name": LONG})
        record |= {"right_id": LONG, "payor_id": LONG}
    page = tmp_path / "memo.html"
    page.write_text(render_memo(data, plantation, record), "utf-8")
    assert pages(page, tmp_path / "memo.pdf") == 1
