"""What is wrong with the scenes behind published features, in the words of the quarantine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from plantation_rwa.run.publishing import note_scene_problems
from plantation_rwa.sources.base import Quarantine


@pytest.mark.parametrize(
    ("band", "action", "reason"),
    [
        ("offset", "repaired", "why"),
        ("crs", "repaired", "why"),  # used where the files say that they lie
        ("bands", "rejected", "why; the scene was left out of the month"),
        ("B04", "rejected", "why; the scene was left out of the month"),
    ],
)
def test_what_is_used_is_repaired_and_what_is_left_out_is_rejected(band: str, action: str, reason: str) -> None:
    quarantine = Quarantine()
    session: Any = SimpleNamespace(known=SimpleNamespace(quarantine=quarantine))
    part: Any = SimpleNamespace(output=SimpleNamespace(problems=[("i.json", "S2A_X", band, "why", "P1")]))
    note_scene_problems(session, [part])
    (row,) = quarantine.frame().itertuples()
    assert (row.input, row.file, row.column, row.value) == ("imagery", "i.json", band, "S2A_X")
    assert (row.action, row.reason, row.plantation_id) == (action, reason, "P1")
