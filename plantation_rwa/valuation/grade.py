"""The confidence grade: data, history and interval width by the configured rule."""

from __future__ import annotations

from collections.abc import Mapping

from plantation_rwa.assumptions import Assumptions

GRADES = "ABCD"


def grade(
    evidence: Mapping[str, float | None], width: float | None, *, quarantined: bool, assumptions: Assumptions
) -> str:
    """Grade of one plantation.

    Parameters
    ----------
    evidence
        ``own_inputs``, ``data_age_days_max``, ``months_harvest``, ``valid_fraction_12m``; missing or None if unknown.
    width
        (q90 - q10) / mean of the yield of the next twelve months; None without forecast.
    quarantined
        Whether records of the plantation are in quarantine.
    assumptions
        ``grade.rules``: the first rule whose every condition holds decides; a number that is missing fails.

    Returns
    -------
    str
        ``A`` to ``D``.
    """
    numbers = {**evidence, "width": width}
    found = "D"
    for rule in assumptions.table("grade.rules"):
        if all(_holds(name, bound, numbers.get(name)) for name, bound in rule.items() if name != "grade"):
            found = str(rule["grade"])
            break
    steps = int(assumptions.number("grade.quarantined_steps")) if quarantined else 0
    return GRADES[min(GRADES.index(found) + steps, len(GRADES) - 1)]


def _holds(name: str, bound: float, value: float | None) -> bool:
    if value is None or value != value:
        return False
    return value <= bound if name in {"data_age_days_max", "width"} else value >= bound
