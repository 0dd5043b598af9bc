from __future__ import annotations

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.grade import grade

GOOD = {"own_inputs": 3.0, "data_age_days_max": 30.0, "months_harvest": 60.0, "valid_fraction_12m": 0.8}


def test_grades_by_rule(assumptions: Assumptions) -> None:
    def of(width: float | None, *, quarantined: bool = False, **changed: float | None) -> str:
        return grade({**GOOD, **changed}, width, quarantined=quarantined, assumptions=assumptions)

    assert of(0.40) == "A"
    assert of(0.40, quarantined=True) == "B"
    assert of(0.40, valid_fraction_12m=None) == "B"
    assert of(0.40, months_harvest=30) == "B"
    assert of(0.40, months_harvest=0) == "C"
    assert of(0.40, data_age_days_max=76) == "B"
    assert of(0.60) == "B"
    assert of(1.00) == "C"
    assert of(9.00) == "D"
    assert of(None) == "D"
    assert of(9.00, quarantined=True) == "D"


def test_each_kind_of_evidence_that_is_missing_costs_a_grade(assumptions: Assumptions) -> None:
    """Harvest, imagery and sensors: with all an A, with two a B, with one a C, with none a D, however narrow."""
    grades = [
        grade({**GOOD, "own_inputs": n}, 0.2, quarantined=False, assumptions=assumptions) for n in (3.0, 2.0, 1.0, 0.0)
    ]
    assert grades == ["A", "B", "C", "D"]
    assert grade({}, 0.2, quarantined=False, assumptions=assumptions) == "D"
