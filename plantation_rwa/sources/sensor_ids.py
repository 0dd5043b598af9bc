"""Ids damaged on the way: repaired where one registered id and the sensor's own record both say so, else refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.sources.tables import Sheet

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Texts = NDArray[np.object_]

#: A damaged id has at most this many readings, and its intact neighbour this many times more.
STRAY_READINGS, STRAY_SHARE = 12, 20
#: Hours back in which the intact record must have its reading before, and how many readings tell its step.
CONTINUES_H, STEP_READINGS = 24, 20
_SERIES = ["station_id", "sensor_id", "variable", "depth_m"]


def refuse_unknown(sheet: Sheet, known: Sequence[str]) -> Texts:
    """Reject rows of plantations that are not in the register, once per file and id, naming the ids it may be.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``. The id as written, of rows that were given the id of the one registered plantation that
        differs in one character and owns the sensor; '' of all others. :func:`confirm_owners` has to judge them.
    """
    frame, written = sheet.frame, np.full(len(sheet.frame), "", dtype=object)
    ids = frame["plantation_id"]
    for unknown in sorted(set(ids[(~ids.isin(list(known))).to_numpy(bool)]) - {""}):
        near = sorted(k for k in known if one_apart(unknown, k))
        mine = np.flatnonzero((ids == unknown).to_numpy(bool))
        series = pd.MultiIndex.from_frame(frame.iloc[mine][_SERIES])
        owners = frame.loc[ids.isin(near).to_numpy(bool), ["plantation_id", *_SERIES]].drop_duplicates()
        count = owners.groupby(_SERIES, dropna=False)["plantation_id"].agg(["first", "size"])
        at = count.index.get_indexer(series)
        lone = (at >= 0) & (count["size"].to_numpy()[at] == 1) if len(count) else np.zeros(len(mine), dtype=bool)
        if lone.any():
            written[mine[lone]] = unknown
            frame.loc[mine[lone], "plantation_id"] = count["first"].to_numpy()[at[lone]]
        told = f"is not in the register; add it there or correct the id{_hint(near)}"
        left = set(frame["plantation_id"]) - {unknown}
        sheet.reject_unknown("plantation_id", [*left, ""], told, once=True)
    return written


def confirm_owners(sheet: Sheet, written: Texts) -> None:
    """Accept rows whose plantation was put right where they continue its sensor's record; reject the others.

    Parameters
    ----------
    sheet
        With ``time`` in UTC.
    written
        From :func:`refuse_unknown`.

    Notes
    -----
    A reading continues a record if it stands on its step, at most :data:`CONTINUES_H` hours after a reading, where the
    record has none. Only earlier readings are asked, so that later ones change no earlier decision.
    """
    rows = np.flatnonzero((written != "") & sheet.accepted)
    if len(rows) == 0:
        return
    keys = ["plantation_id", *_SERIES]
    good = _continuing(sheet.frame, rows, np.flatnonzero((written == "") & sheet.accepted), keys, until_day_ends=False)
    owners = sheet.frame["plantation_id"].to_numpy(dtype=object).copy()
    for name, owner in sorted(set(zip(written[rows], owners[rows], strict=True))):
        mine = rows[(written[rows] == name) & (owners[rows] == owner)]
        fits = np.isin(mine, rows[good])
        told = f"is not in the register; one character from '{owner}', whose sensor lacks these readings: taken as such"
        sheet.fault(_mask(sheet, mine[fits]), "plantation_id", told, "repaired", [str(name)] * int(fits.sum()))
        sheet.frame.loc[mine[~fits], "plantation_id"] = str(name)
        told = f"is not in the register; add it there or correct the id{_hint([str(owner)])}"
        sheet.reject(_mask(sheet, mine[~fits]), "plantation_id", told)


def settle_strays(sheet: Sheet) -> None:
    """Few readings under a station or sensor id that differs from a frequent one by one damaged character.

    Notes
    -----
    Not by a digit for a digit, which is how neighbours are numbered. They get the intact id if there is one only and
    its record has, on the same UTC day, readings before and after but none at that time; else they are rejected: a new
    sensor may have such an id. Whether they are few is judged for every UTC day by the readings up to its end, so that
    later readings change no earlier decision.
    """
    for column, within in (("station_id", ["plantation_id"]), ("sensor_id", ["plantation_id", "variable"])):
        frame = sheet.frame[sheet.accepted]
        day = frame["time"].to_numpy("datetime64[D]")
        found: dict[int, list[str]] = {}
        for _, group in frame.assign(_day=day).groupby(within, sort=True):
            ids = sorted(set(group[column]))
            for stray, intact in ((s, i) for s in ids for i in ids if _damaged(s, i)):
                count = {k: group.loc[group[column] == k, "_day"].sort_values() for k in (stray, intact)}
                days = count[stray].to_numpy()
                own = np.searchsorted(days, days, side="right")
                other = np.searchsorted(count[intact].to_numpy(), days, side="right")
                for row in count[stray].index[(own <= STRAY_READINGS) & (other >= STRAY_SHARE * own)]:
                    found.setdefault(int(row), []).append(intact)
        if found:
            _repair_or_reject(sheet, column, found)


def _repair_or_reject(sheet: Sheet, column: str, found: Mapping[int, Sequence[str]]) -> None:
    rows = np.array(sorted(found), dtype=np.int64)
    written = sheet.frame[column].iloc[rows].astype(str).tolist()
    lone = np.array([len(found[int(r)]) == 1 for r in rows])
    others = np.setdiff1d(np.flatnonzero(sheet.accepted), rows)
    sheet.frame.loc[rows[lone], column] = [found[int(r)][0] for r in rows[lone]]
    keys = ["plantation_id", *_SERIES]
    good = lone & _continuing(sheet.frame, rows, others, keys, until_day_ends=True)
    sheet.frame.loc[rows[~good], column] = [w for w, g in zip(written, good, strict=True) if not g]
    for row, was, fits in zip(rows, written, good, strict=True):
        names = " or ".join(f"'{n}'" for n in found[int(row)])
        if fits:
            told = f"{column} is {names} damaged on the way, whose record lacks this reading: taken as such"
            sheet.fault(_mask(sheet, row), column, told, "repaired", [was])
        else:
            sheet.reject(
                _mask(sheet, row), column, f"{column} is known by few readings; is it {names}, damaged on the way?"
            )


def _continuing(frame: pd.DataFrame, rows: Ints, others: Ints, keys: list[str], *, until_day_ends: bool) -> Bools:
    """Rows that stand in a hole of the record that the other rows with the same keys make, shape of ``rows``."""
    series = frame.iloc[np.r_[rows, others]].groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    times = frame["time"].to_numpy("datetime64[s]").astype(np.int64)
    mine, theirs = series[: len(rows)], series[len(rows) :]
    good = np.zeros(len(rows), dtype=bool)
    for number in np.unique(mine):
        record = np.unique(times[others[theirs == number]])
        for i in np.flatnonzero(mine == number):
            now = times[rows[i]]
            at = int(np.searchsorted(record, now))
            if at < STEP_READINGS or (at < len(record) and record[at] == now):
                continue
            step = np.median(np.diff(record[at - STEP_READINGS : at]))
            since = now - record[at - 1]
            good[i] = since <= CONTINUES_H * 3600 and since % step == 0
            if until_day_ends:
                good[i] &= at < len(record) and record[at] // 86400 == now // 86400
    return good


def one_apart(first: str, second: str) -> bool:
    """Whether two ids differ by one character changed, added, lost or by two neighbours exchanged."""
    if first == second or abs(len(first) - len(second)) > 1:
        return False
    same = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    a, b = first[same:], second[same:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[:2][::-1] and a[2:] == b[2:])


def _damaged(stray: str, intact: str) -> bool:
    if len(stray) != len(intact):
        return False
    differ = [(s, i) for s, i in zip(stray, intact, strict=True) if s != i]
    return len(differ) == 1 and not (differ[0][0].isdigit() and differ[0][1].isdigit())


def _hint(near: Sequence[str]) -> str:
    if len(near) == 1:
        return f"; the nearest id there is '{near[0]}'"
    return f"; {len(near)} ids there differ by one character, from '{near[0]}' to '{near[-1]}'" if near else ""


def _mask(sheet: Sheet, rows: Ints | np.int64) -> Bools:
    mask = np.zeros(len(sheet.frame), dtype=bool)
    mask[rows] = True
    return mask
