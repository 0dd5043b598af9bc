"""What sections of the configuration are made of: the strict base, lists of texts, months."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic import Field as F

from plantation_rwa.periods import Month


def as_list(value: Any) -> Any:
    """A text as a list of one; anything else as it is."""
    return [value] if isinstance(value, str) else value


def _month_text(value: Any) -> Any:
    if isinstance(value, dt.date):
        value = value.strftime("%Y-%m")
    return str(Month.parse(value))


_TEXT_OR_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
Texts = Annotated[list[str], BeforeValidator(as_list), F(min_length=1), WithJsonSchema(_TEXT_OR_LIST)]
Paths = Texts
MonthText = Annotated[
    str, BeforeValidator(_month_text), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])"})
]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, strict=True, validate_by_name=False)
