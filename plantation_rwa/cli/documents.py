"""What ``--json`` prints: one document per command, whatever came of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.errors import Problem


def document(command: str, code: int, errors: Sequence[Problem], result: Mapping[str, object]) -> str:
    """The document of a command: its name, exit code, errors, and what it found.

    Of an error stand ``message``, ``where``, ``value`` and ``remedy``; one without a remedy of its own points to the
    help. Characters beyond ASCII are escaped: what reads it may expect any encoding.
    """
    helped = f"See 'plantation-rwa {command} --help'.".replace("  ", " ")
    told = [
        {"message": p.what, "where": p.where or command, "value": p.value, "remedy": p.remedy or helped} for p in errors
    ]
    content = {"command": command, "exit_code": code, "errors": told, "result": result}
    return json.dumps(plain(content), indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Value of Python, numpy or pandas as JSON knows it; what is missing or no finite number is null.

    Integers of up to 38 digits stay whole; decimals are text, since readers of JSON make floats of numbers.
    """
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict("records")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.datetime64):
        return plain(pd.Timestamp(value))
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Path | Decimal | dt.date):
        return str(value)
    return value
