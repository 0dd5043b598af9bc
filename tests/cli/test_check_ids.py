"""Cross-checks of ids, each with the words a user reads."""

from __future__ import annotations

import pandas as pd

from plantation_rwa.run.survey import ids
from plantation_rwa.run.survey.findings import counted, some
from plantation_rwa.sources.base import Quarantine

REGISTER = ["SIM-001", "SIM-002", "SIM-003"]


def told(findings: list[ids.Finding]) -> list[str]:
    return [f"{f.severity}: {f.problem()}" for f in findings]


def test_lists_are_cut_and_nouns_agree_with_their_number() -> None:
    assert some(["A", "B", "C"]) == "A; B; C"
    assert some(["A", "B", "C", "D", "E"]) == "A; B; C; 2 more"
    assert counted(1, "plantation or block") == "1 plantation or block"
    assert counted(3, "plantation or block") == "3 plantations or blocks"
    assert counted(2, "series") == "2 series"
    assert counted(2, "stretch") == "2 stretches"


def test_an_id_the_register_does_not_have_is_named_with_the_one_that_may_be_meant() -> None:
    bad = Quarantine()
    reason = "plantation_id is not in the register, or was rejected there; row rejected"
    for row, plantation in enumerate(["sim_002", "sim_002", "QQQ"], start=1):
        bad.add("harvest", "h.csv", reason, "rejected", row=row, value=plantation, plantation_id=plantation)
    assert told(ids.strangers(bad.frame(), REGISTER)) == [
        "warning: harvest.path: h.csv: plantation_id: rows of 2 ids that the register does not have "
        "(got QQQ; sim_002). Add them to the register, or mend the ids.",
    ]
    only = bad.frame()
    only = only[only["value"] != "QQQ"]
    assert told(ids.strangers(only, REGISTER)) == [
        "warning: harvest.path: h.csv: plantation_id: rows of 1 id that the register does not have (got sim_002). "
        "Is 'sim_002' meant to be 'SIM-002'?",
    ]


def test_an_id_rejected_in_the_register_is_not_called_unknown() -> None:
    bad = Quarantine()
    bad.add("register", "r.geojson", "country is missing; row rejected", "rejected", row=4, plantation_id="SIM-004")
    reason = "is not in the register; add it there or correct the id; all rows of this id in the file rejected"
    bad.add("sensors", "s.csv", reason, "rejected", row=1, value="SIM-004", plantation_id="SIM-004")
    assert told(ids.strangers(bad.frame(), REGISTER)) == [
        "warning: sensors.path: s.csv: plantation_id: rows of 1 plantation whose row in the register was rejected "
        "(got SIM-004). Mend the register; see the records set aside.",
    ]


def test_plantations_that_an_input_has_nothing_of() -> None:
    assert ids.without(REGISTER, "harvest.path", REGISTER, "harvest records", "Add them.") == []
    assert told(ids.without(REGISTER, "harvest.path", ["SIM-002"], "harvest records", "Add them.")) == [
        "warning: harvest.path: plantation_id: 2 plantations without harvest records (got SIM-001; SIM-003). Add them."
    ]
    assert told(ids.without(REGISTER, "sensors.path", [], "sensors", "", "note")) == [
        "note: sensors.path: plantation_id: no plantation has sensors (got SIM-001; SIM-002; SIM-003)"
    ]


def parties(
    sponsors: list[str] | None,
    mills: list[str] | None,
    payors: list[str],
    own_mills: tuple[str, ...] = ("M1", "M2", ""),
) -> list[str]:
    register = pd.DataFrame({"plantation_id": REGISTER, "sponsor_id": ["A", "B", ""], "mill_id": list(own_mills)})
    rights = pd.DataFrame({"payor_id": payors})
    one = None if sponsors is None else pd.DataFrame({"sponsor_id": sponsors})
    two = None if mills is None else pd.DataFrame({"mill_id": mills})
    return told(ids.parties(register, rights, one, two))


def test_sponsors_mills_and_payors_that_no_table_has() -> None:
    assert parties(["A", "B"], ["M1", "M2"], ["M1", "A", ""]) == []
    assert parties(None, None, ["X"]) == [], "without tables nothing can be unknown"
    assumed = "The assumed intensity and loss are used; add it to the table, or mend the id."
    assert parties(["A"], ["M1"], ["M1", "ZZ", "M2"]) == [
        f"warning: portfolio.register: sponsor_id: the register names 1 sponsor that portfolio.sponsors does not have "
        f"(got B). {assumed}",
        f"warning: portfolio.register: mill_id: the register names 1 mill that portfolio.mills does not have "
        f"(got M2). {assumed}",
        f"warning: portfolio.rights: payor_id: 1 payor that neither portfolio.mills nor portfolio.sponsors has "
        f"(got ZZ). {assumed}",
    ]


def test_one_id_for_a_sponsor_and_a_mill_is_an_error() -> None:
    assert parties(["A", "B"], ["M1", "M2", "A"], []) == [
        "error: portfolio.mills: mill_id: the same id stands for a sponsor and for a mill, so whose default risk "
        "counts cannot be told (got A). Give one of them another id."
    ]


def test_a_station_in_two_plantations() -> None:
    sensors = pd.DataFrame({"station_id": ["S1", "S1", "S2"], "plantation_id": ["SIM-001", "SIM-002", "SIM-002"]})
    assert told(ids.one_station_many_places(sensors)) == [
        "warning: sensors.path: station_id: 1 station with readings for more than one plantation (got S1). "
        "If they are different loggers, give each a station_id of its own."
    ]
    assert ids.one_station_many_places(sensors.iloc[1:]) == []
    assert ids.one_station_many_places(sensors.iloc[:0]) == []
