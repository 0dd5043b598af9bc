"""Whisp's tree for perennial crops: all sixteen answers, as FAO's published tree gives them."""

from __future__ import annotations

import pytest

from plantation_rwa.screening.eudr import perennial_crop_risk

#: tree cover 2020, commodity 2020, disturbance up to 2020, disturbance after 2020
TABLE = {
    (False, False, False, False): "low",
    (False, False, False, True): "low",
    (False, False, True, False): "low",
    (False, False, True, True): "low",
    (False, True, False, False): "low",
    (False, True, False, True): "low",
    (False, True, True, False): "low",
    (False, True, True, True): "low",
    (True, False, False, False): "more_info_needed",
    (True, False, False, True): "high",
    (True, False, True, False): "low",
    (True, False, True, True): "low",
    (True, True, False, False): "low",
    (True, True, False, True): "low",
    (True, True, True, False): "low",
    (True, True, True, True): "low",
}


@pytest.mark.parametrize(("answers", "risk"), TABLE.items())
def test_the_tree_gives_the_published_class(answers: tuple[bool, bool, bool, bool], risk: str) -> None:
    assert perennial_crop_risk(*answers) == risk


def test_the_table_is_whole() -> None:
    assert len(TABLE) == 16
    assert [a for a, r in TABLE.items() if r != "low"] == [(True, False, False, False), (True, False, False, True)]
