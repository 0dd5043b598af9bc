"""Which manual adjustments count at a date: signed by one who may, begun, not expired."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.sources.base import Quarantine

#: who signed, beside the columns of the input
COLUMNS = ["plantation_id", "right_id", "amount_minor", "currency", "author", "reason", "valid_from", "expires"]
SIGNED = [*COLUMNS, "signature", "signer"]


def usable_overlays(rows: pd.DataFrame, config: Config, as_of: dt.date, quarantine: Quarantine) -> pd.DataFrame:
    """Adjustments in force at a date; those that nobody who may has signed go to the quarantine.

    Parameters
    ----------
    rows
        As :func:`plantation_rwa.sources.overlays.read_overlays` returns them.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`SIGNED`, all texts but ``amount_minor``; sorted.
    """
    if rows.empty:
        return pd.DataFrame([], columns=SIGNED)
    # what checks signatures is loaded where something is signed, not at every start
    from plantation_rwa.attest.attestation import domain
    from plantation_rwa.attest.overlays import overlay_digest, overlay_message
    from plantation_rwa.attest.signing import recover

    allowed = {a.lower() for a in config.attest.overlay_signers}
    place = domain(config.portfolio.name, config.attest.chain_id)
    found: list[dict[str, Any]] = []
    for row in rows.to_dict("records"):
        first, last = (pd.Timestamp(row[name]).date() for name in ("valid_from", "expires"))
        if not first <= as_of <= last:
            continue
        message = overlay_message({**row, "valid_from": first.isoformat(), "expires": last.isoformat()})
        texts = dict(zip(COLUMNS, message.values(), strict=True))
        try:
            signer = recover(overlay_digest(place, texts), str(row["signature"]))
            reason = "" if signer.lower() in allowed else f"is signed by {signer}, who is not in attest.overlay_signers"
        except ValueError as error:
            signer, reason = "", f"is not signed: {error}"
        if reason:
            quarantine.add(
                "overlays", "", f"{reason}; the adjustment was left out", "rejected",
                column="signature", value=texts["amount_minor"], plantation_id=texts["plantation_id"],
            )  # fmt: skip
            continue
        signed = {"amount_minor": int(texts["amount_minor"]), "signature": row["signature"], "signer": signer}
        found.append(texts | signed)
    return pd.DataFrame(found, columns=SIGNED).sort_values(SIGNED, kind="stable", ignore_index=True)


def amounts(overlays: pd.DataFrame) -> dict[tuple[str, str, str], int]:
    """Sum of the adjustments by plantation, right and currency, minor units."""
    keys = ["plantation_id", "right_id", "currency"]
    return {tuple(map(str, k)): int(v) for k, v in overlays.groupby(keys)["amount_minor"].sum().items()}  # type: ignore[misc]
