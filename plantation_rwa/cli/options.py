"""Options that several or all commands have, and faults of what was typed."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Group, Parameter, Token

from plantation_rwa.cli.console import begin
from plantation_rwa.errors import Problem

ConfigPath = Annotated[Path, Parameter(help="Configuration file, YAML.")]


def day(kind: object, tokens: Sequence[Token]) -> dt.date:
    """A date as every command takes it."""
    text = tokens[0].value
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"'{text}' is not a date; write YYYY-MM-DD, for example 2026-05-31") from None


AsOf = Annotated[
    dt.date | None,
    Parameter(help="Valuation date, YYYY-MM-DD; default: as_of of the configuration.", converter=day),
]
Many = Parameter(consume_multiple=True, negative=())
Out = Annotated[str | None, Parameter(help="Output folder; default: publish.out.")]
Only = Annotated[list[str] | None, Many, Parameter(help="Publish only these plantations, under <out>/partial.")]
Stage = Annotated[list[str] | None, Many, Parameter(help="Stages: features forecast valuation attest report.")]
RunnerText = Annotated[str, Parameter(help="threads, processes, dask or dask=ADDRESS; changes no result.")]
Force = Annotated[bool, Parameter(negative=(), help="Recompute even what is unchanged.")]
Strict = Annotated[bool, Parameter(negative=(), help="Exit 1 if any record was quarantined.")]

_GROUP = Group("What is said", sort_key=9)
Quiet = Annotated[
    bool, Parameter(negative=(), group=_GROUP, help="Print nothing but errors; the exit code says the rest.")
]
Json = Annotated[
    bool,
    Parameter(negative=(), group=_GROUP, help="Print one JSON document, errors too; progress goes to standard error."),
]


def spoken(function: Callable[..., int]) -> Callable[..., int]:
    """A command that also takes ``--quiet`` and ``--json``."""

    @functools.wraps(function)
    def command(*given: object, quiet: bool = False, json: bool = False, **named: object) -> int:
        begin(function.__name__, quiet=quiet, json=json)
        return function(*given, **named)

    own = inspect.signature(function)
    added = {"quiet": Quiet, "json": Json}
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in added.items()
    ]
    command.__signature__ = own.replace(parameters=[*own.parameters.values(), *options])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, **added}
    return command


def begin_untyped(argv: Sequence[str], commands: Sequence[str]) -> None:
    """Before what was typed is understood: which command it is about, and how it wants to be told."""
    words = list(argv[: argv.index("--")] if "--" in argv else argv)
    name = next((word for word in words if word in commands), "")
    begin(name, quiet="--quiet" in words, json="--json" in words)


def behind_command(argv: Sequence[str], commands: Sequence[str]) -> list[str]:
    """What was typed with ``--quiet`` and ``--json`` behind the command, where they may also stand before it."""
    words = list(argv)
    count = next((i for i, word in enumerate(words) if word not in {"--quiet", "--json"}), len(words))
    before, rest = words[:count], words[count:]
    # help and version take no options: how they are told is known by now
    named = bool(rest) and rest[0] in commands and not rest[0].startswith("-")
    return [rest[0], *before, *rest[1:]] if named else rest


def usage_problem(fault: cyclopts.CycloptsError, commands: Sequence[str]) -> Problem:
    """A fault of what was typed, with the nearest right word and the help that explains the rest."""
    what, _, meant = str(fault).partition(" Did you mean ")
    command = " ".join(["plantation-rwa", *(fault.command_chain or ())])
    remedy = f"Try '{command} --help'."
    if isinstance(fault, cyclopts.UnknownCommandError):
        word = (fault.unused_tokens or [""])[0]
        if word.startswith("-"):
            return Problem(command, f"{word} stands before the command", remedy=f"Write it behind. {remedy}")
        what = what.partition(" Available commands: ")[0]
        remedy = f"Commands: {', '.join(commands)}. {remedy}"
    if meant:
        remedy = f"Did you mean {meant.split('? ')[0].rstrip('?')}? {remedy}"
    return Problem(command, what.rstrip("."), remedy=remedy)
