"""Cross-checks of ids: who is in one input and not in another."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from plantation_rwa.run.survey.findings import Finding, Severity, counted, some

#: input of the quarantine -> configuration key
KEYS: Mapping[str, str] = {
    "register": "portfolio.register",
    "blocks": "portfolio.blocks",
    "rights": "portfolio.rights",
    "sponsors": "portfolio.sponsors",
    "mills": "portfolio.mills",
    "imagery": "imagery.source",
    "climate": "climate.table",
    "climate_index": "climate.index",
    "sensors": "sensors.path",
    "harvest": "harvest.path",
    "futures": "market.futures",
    "prices": "market.prices",
    "fx": "market.fx",
    "rates": "market.rates",
    "fiscal": "market.fiscal",
}

#: the registered id that a reader takes an unknown one for
_CANDIDATE = r"(?:nearest id there is|one character from) '([^']+)'"


def strangers(quarantine: pd.DataFrame, register: Sequence[str]) -> list[Finding]:
    """Plantation ids of other inputs that the register does not have.

    Parameters
    ----------
    quarantine
        Table ``quarantine``; the readers put every such row there.
    register
        Ids of the register.
    """
    found = []
    refused = quarantine[(quarantine["input"] == "register") & (quarantine["action"] == "rejected")]
    rejected = set(refused["plantation_id"]) - set(register)
    unknown = quarantine[quarantine["reason"].str.contains("is not in the register", regex=False)]
    for (name, file), rows in unknown.groupby(["input", "file"], sort=True):
        ids = sorted(set(rows["value"]))
        here = [i for i in ids if i in rejected]
        if here:
            told = f"rows of {counted(len(here), 'plantation')} whose row in the register was rejected"
            remedy = "Mend the register; see the records set aside."
            found.append(Finding("warning", KEYS.get(name, name), "plantation_id", some(here), told, remedy, file))
        rest = [i for i in ids if i not in rejected]
        if rest:
            said = rows.loc[rows["value"] == rest[0], "reason"]
            by_reader = said.str.extract(_CANDIDATE, expand=False).dropna()
            close = difflib.get_close_matches(_plain(rest[0]), [_plain(r) for r in register], n=1, cutoff=0.6)
            meant = next((r for r in register if close and _plain(r) == close[0]), "")
            if len(by_reader) or said.str.contains("ids there differ by one character", regex=False).any():
                meant = str(by_reader.iloc[0]) if len(by_reader) else ""
            remedy = f"Is '{rest[0]}' meant to be '{meant}'?" if meant else "Add them to the register, or mend the ids."
            told = f"rows of {counted(len(rest), 'id')} that the register does not have"
            found.append(Finding("warning", KEYS.get(name, name), "plantation_id", some(rest), told, remedy, file))
    return found


def without(
    register: Sequence[str], key: str, present: Collection[str], what: str, remedy: str, severity: Severity = "warning"
) -> list[Finding]:
    """Plantations of the register that an input has nothing of.

    Parameters
    ----------
    key
        Configuration key of the input.
    present
        Plantations it has something of.
    what
        What these plantations are without, such as ``harvest records``.
    remedy
        What a run does about it, or what to give.
    """
    absent = [p for p in register if p not in set(present)]
    if not absent:
        return []
    told = f"no plantation has {what}"
    if len(absent) < len(register):
        told = f"{counted(len(absent), 'plantation')} without {what}"
    return [Finding(severity, key, "plantation_id", some(absent), told, remedy)]


def parties(
    register: pd.DataFrame, rights: pd.DataFrame, sponsors: pd.DataFrame | None, mills: pd.DataFrame | None
) -> list[Finding]:
    """Sponsors and mills that the register or the rights name and no table has, and ids that stand for both.

    Parameters
    ----------
    sponsors, mills
        None where the input is not configured: then nothing can be unknown.
    """
    found = []
    assumed = "The assumed intensity and loss are used; add it to the table, or mend the id."
    own = {"sponsors": _ids(sponsors, "sponsor_id"), "mills": _ids(mills, "mill_id")}
    for column, table in (("sponsor_id", "sponsors"), ("mill_id", "mills")):
        listed = own[table]
        if listed is None:
            continue
        named = sorted({i for i in register[column] if i} - listed)
        if named:
            told = f"the register names {counted(len(named), table[:-1])} that portfolio.{table} does not have"
            found.append(Finding("warning", "portfolio.register", column, some(named), told, assumed))
    both = (own["sponsors"] or set()) & (own["mills"] or set())
    if both:
        told = "the same id stands for a sponsor and for a mill, so whose default risk counts cannot be told"
        remedy = "Give one of them another id."
        found.append(Finding("error", "portfolio.mills", "mill_id", some(sorted(both)), told, remedy))
    if own["sponsors"] is not None or own["mills"] is not None:
        payors = sorted({p for p in rights["payor_id"] if p} - (own["sponsors"] or set()) - (own["mills"] or set()))
        payors = [p for p in payors if p not in set(register["mill_id"])]
        if payors:
            told = f"{counted(len(payors), 'payor')} that neither portfolio.mills nor portfolio.sponsors has"
            found.append(Finding("warning", "portfolio.rights", "payor_id", some(payors), told, assumed))
    return found


def one_station_many_places(sensors: pd.DataFrame) -> list[Finding]:
    """Stations that report for several plantations."""
    if sensors.empty:
        return []
    pairs = sensors[["station_id", "plantation_id"]].drop_duplicates()
    counts = pairs.groupby("station_id", sort=True)["plantation_id"].nunique()
    shared = sorted(counts.index[counts > 1])
    if not shared:
        return []
    told = f"{counted(len(shared), 'station')} with readings for more than one plantation"
    remedy = "If they are different loggers, give each a station_id of its own."
    return [Finding("warning", "sensors.path", "station_id", some(shared), told, remedy)]


def _ids(table: pd.DataFrame | None, column: str) -> set[str] | None:
    return None if table is None else set(table[column])


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())
