"""Flow parameters: the options of the command line, checked by their type before a run is made."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from plantation_rwa.errors import PlantationError
from plantation_rwa.periods import Month
from plantation_rwa.run.session import STAGES
from plantation_rwa.run.walk import require_stages


def _stages(names: list[str]) -> list[str]:
    try:
        require_stages(names)
    except PlantationError as error:
        raise ValueError(str(error)) from None
    return names


def _month(text: str) -> str:
    return str(Month.parse(text))


#: path of a configuration file, relative to the folder the flow runs in
ConfigPath = Annotated[str, StringConstraints(min_length=1)]
#: a valuation date
Day = Annotated[
    dt.date, WithJsonSchema({"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
]
#: stages to run; the server, which has not this program, knows them by name
Stages = Annotated[
    list[str],
    AfterValidator(_stages),
    Field(json_schema_extra={"items": {"type": "string", "enum": list(STAGES)}}),
]
#: where batches run; a union, because Prefect forgets what is noted on a type that has a default
RunnerName = Literal["threads", "processes", "dask"] | Annotated[str, StringConstraints(pattern=r"^dask=.+$")]
#: a month of a range
MonthText = Annotated[
    str,
    AfterValidator(_month),
    StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$"),
]
