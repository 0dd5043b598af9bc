"""The texts of the exception family."""

from __future__ import annotations

import pytest

from plantation_rwa import errors
from plantation_rwa.errors import ConfigError, PlantationError, Problem, ProblemsError, SchemaError, SourceError


def test_a_problem_says_where_what_value_and_remedy() -> None:
    problem = Problem("a.yaml: seed", "should be a valid integer", "'x'", "Write a number.")
    assert str(problem) == "a.yaml: seed: should be a valid integer (got 'x'). Write a number."
    assert str(Problem("a.yaml", "is empty")) == "a.yaml: is empty"
    assert str(Problem("a.yaml", "is empty", remedy="Fill it.")) == "a.yaml: is empty. Fill it."


def test_problems_are_shown_together_one_per_line() -> None:
    error = ProblemsError([Problem("a", "is missing"), Problem("b", "is wrong", "2")])
    assert str(error) == "a: is missing\nb: is wrong (got 2)"
    assert error.problems == (Problem("a", "is missing"), Problem("b", "is wrong", "2"))


def test_a_source_error_of_one_problem() -> None:
    error = SourceError.of("harvest.csv", "has no column 'month'", "month_", "Rename it.")
    assert str(error) == "harvest.csv: has no column 'month' (got month_). Rename it."
    assert isinstance(error, ProblemsError)


def test_a_schema_error_lists_its_failures() -> None:
    error = SchemaError("forecasts", ["column 'a'", "column 'b'"])
    assert str(error) == "table 'forecasts' breaks its schema: column 'a'; column 'b'"
    assert (error.table, error.failures) == ("forecasts", ("column 'a'", "column 'b'"))


@pytest.mark.parametrize(
    "name", ["StageError", "PublishError", "ReadError", "ConfigError", "SourceError", "SchemaError"]
)
def test_one_family(name: str) -> None:
    assert issubclass(getattr(errors, name), PlantationError)
    assert not issubclass(SourceError, ConfigError)
