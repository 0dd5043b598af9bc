"""The exception family: every message says what is wrong, where, with which value, and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: the form of every message: place, what is wrong, and after the first full stop the remedy
_FORM = re.compile(r"(?:(?P<where>[^:]+(?::[^ :][^:]*)*): )?(?P<what>.+?)(?:\. (?P<remedy>[A-Z'].+))?", re.DOTALL)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration or an input.

    Parameters
    ----------
    where
        File, and key, row or column inside it.
    what
        The problem in one sentence.
    value
        The offending value as text, empty if there is none.
    remedy
        What to do about it.
    """

    where: str
    what: str
    value: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.value:
            text += f" (got {self.value})"
        if self.remedy:
            text += f". {self.remedy}"
        return text

    @classmethod
    def read(cls, text: str) -> Problem:
        """Read a message of the form ``where: what. Remedy.`` again; a place and a remedy may be missing."""
        found = _FORM.fullmatch(text.strip())
        if found is None:  # empty
            return cls("", text)
        return cls(found["where"] or "", found["what"], remedy=found["remedy"] or "")


class PlantationError(Exception):
    """Base of every error this package raises on purpose."""

    @property
    def told(self) -> tuple[Problem, ...]:
        """What is wrong, one by one."""
        return (Problem.read(str(self)),)


class ProblemsError(PlantationError):
    """One or more problems found together, shown together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))

    @property
    def told(self) -> tuple[Problem, ...]:
        """The problems."""
        return self.problems


class ConfigError(ProblemsError):
    """The configuration file cannot be used."""


class SourceError(ProblemsError):
    """An input cannot be read at all; raised before anything is written."""

    @classmethod
    def of(cls, where: str, what: str, value: str = "", remedy: str = "") -> SourceError:
        """Build the error from a single problem."""
        return cls([Problem(where, what, value, remedy)])


class SchemaError(PlantationError):
    """A table that crosses a room's border does not have its declared shape."""

    def __init__(self, table: str, failures: Sequence[str]) -> None:
        self.table = table
        self.failures = tuple(failures)
        super().__init__(f"table '{table}' breaks its schema: " + "; ".join(self.failures))


class StageError(PlantationError):
    """A stage cannot start because the artefacts of an earlier one are missing."""


class PublishError(PlantationError):
    """Outputs could not be written or read back."""


class ContractError(PublishError):
    """What is published was written for a contract that this program does not know."""


class LeaseLostError(PublishError):
    """Another run took over a partition while this one was stopped; nothing of it was published."""


class ReadError(PlantationError):
    """One scene, block or partition cannot be read; its neighbours are unaffected."""
