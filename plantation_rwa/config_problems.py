"""From the text of a configuration file, and from what the models say to it, to problems people can act on."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from plantation_rwa.errors import Problem

#: ``${NAME}`` in a value.
ENV = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
#: a configuration has some hundred values; far more are a file that was made to be unfolded
_CHARACTERS, _VALUES, _DIGITS = 4_000_000, 200_000, 40


class _Loader(yaml.SafeLoader):
    """Safe loader that remembers keys written twice instead of silently taking the last."""

    repeated: list[tuple[str, int]]

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag != "tag:yaml.org,2002:merge" and key_node.value in seen:
                self.repeated.append((str(key_node.value), key_node.start_mark.line + 1))
            seen.add(str(key_node.value))
        return dict(super().construct_mapping(node, deep))


def load_yaml(text: str, file: str, problems: list[Problem]) -> Any:
    """Parse the file; keys written twice become problems.

    Raises
    ------
    yaml.YAMLError, ValueError
        If it is no YAML, has tags, or would unfold to more than a configuration can be: aliases of aliases, an alias
        of itself, nesting without end, numbers of hundreds of digits. Nothing has been built then.
    """
    if len(text) > _CHARACTERS:
        raise ValueError(f"the file has {len(text)} characters, more than {_CHARACTERS}")
    try:
        loader = _Loader(text)
        loader.repeated = []
        try:
            node = loader.get_single_node()
            _unfolded(node, {}, set())
            value = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise ValueError("values are nested too deeply") from None
    for key, line in loader.repeated:
        problems.append(Problem(f"{file}: line {line}", f"key '{key}' is written twice", "", "Keep one of them."))
    return value


def _unfolded(node: Any, done: dict[int, int], above: set[int]) -> int:
    """Number of values that a node stands for with every alias written out; a value used twice is counted once."""
    if id(node) in above:
        raise ValueError(f"line {node.start_mark.line + 1}: an alias refers to what it stands in")
    if id(node) in done:
        return done[id(node)]
    count = 1
    if isinstance(node, yaml.CollectionNode):
        above.add(id(node))
        pairs = node.value if isinstance(node, yaml.MappingNode) else [(child,) for child in node.value]
        for children in pairs:
            count += sum(_unfolded(child, done, above) for child in children)
        above.discard(id(node))
    elif isinstance(node, yaml.ScalarNode) and node.tag.endswith(":int") and len(node.value) > _DIGITS:
        raise ValueError(f"line {node.start_mark.line + 1}: a number of {len(node.value)} digits")
    if count > _VALUES:
        raise ValueError(f"line {node.start_mark.line + 1}: aliases stand for more than {_VALUES} values")
    done[id(node)] = count
    return count


def expand_env(value: Any, where: str, problems: list[Problem]) -> Any:
    """Replace ``${NAME}`` in all texts; a variable that is not set becomes a problem and stays as it is."""
    if isinstance(value, dict):
        return {
            k: expand_env(v, f"{where}: {k}" if ": " not in where else f"{where}.{k}", problems)
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [expand_env(v, where, problems) for v in value]
    if not isinstance(value, str):
        return value
    for name in ENV.findall(value):
        if name not in os.environ:
            problems.append(
                Problem(
                    where,
                    f"environment variable {name} is not set",
                    value,
                    f"Set {name}, or write the value.",
                )
            )
    return ENV.sub(lambda m: os.environ.get(m[1], m[0]), value)


def validation_problems(file: str, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """One problem per key; where a value may be of several kinds, what each of them asks for."""
    found: dict[tuple[str, ...], Any] = {}
    for entry in error.errors():
        first = found.setdefault(tuple(_location(entry)), {**entry, "said": _said(entry)})
        if first["said"] != _said(entry):
            first["said"] += f" or {_said(entry)}"
    return [_problem(file, model, entry) for entry in found.values()]


def _problem(file: str, model: type[BaseModel], error: Any) -> Problem:
    location = _location(error)
    key = ".".join(location)
    value = repr(error.get("input"))
    value = value if len(value) <= 80 else value[:77] + "..."
    if location[:1] == ["attest"]:
        value = "a value that is not shown: it may be a secret"
    if error["type"] == "extra_forbidden":
        names = _names(model, location[:-1])
        close = difflib.get_close_matches(location[-1], names, n=1, cutoff=0.5)
        remedy = f"Did you mean '{close[0]}'?" if close else f"Known keys here: {', '.join(names)}."
        return Problem(f"{file}: {key}", "unknown key", value, remedy)
    if error["type"] == "missing":
        return Problem(f"{file}: {key}", "is required and missing", "", "Add it; see configs/sample.yaml.")
    return Problem(f"{file}: {key}", error["said"], value, "See configs/schema.json for what is allowed.")


def _said(error: Any) -> str:
    """Pydantic's complaint in this program's words."""
    if error["type"] == "model_type":
        return "should be a section with keys of its own"
    if error["type"].startswith("date_"):
        return "should be a date, YYYY-MM-DD"
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return str(message[0].lower() + message[1:])


def _location(error: Any) -> list[str]:
    """Keys on the way to the problem, without the names pydantic gives to alternatives."""
    inner = ("function-", "constrained-", "literal[", "lax-or-strict", "nullable")
    kinds = {"float", "int", "str", "date", "list[str]"}
    return [str(p) for p in error["loc"] if not str(p).startswith(inner) and p not in kinds]


def _names(model: Any, location: list[str]) -> list[str]:
    for part in location:
        if part.isdigit():  # an entry of a list: the model is that of its entries already
            continue
        fields = {f.alias or n: f for n, f in model.model_fields.items()}
        annotation = fields[part].annotation
        options = [
            a
            for a in getattr(annotation, "__args__", (annotation,))
            if isinstance(a, type) and issubclass(a, BaseModel)
        ]
        if not options:
            return []
        model = options[0]
    return sorted(label(model, name) for name in model.model_fields)


def label(model: Any, name: str) -> str:
    """The key of a field in the file."""
    kind: Any = model if isinstance(model, type) else type(model)
    return str(kind.model_fields[name].alias or name)


def unreadable(file: Path, error: OSError | UnicodeDecodeError) -> Problem:
    """Why a configuration cannot be read; of one that is not there what lies near, or where it was sought."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    remedy = "Give the path of a YAML file."
    if isinstance(error, FileNotFoundError):
        beside = {p.stem: p for p in file.parent.glob("*.y*ml")} if file.parent.is_dir() else {}
        near = difflib.get_close_matches(file.stem, beside, n=1)
        remedy = (
            f"Did you mean '{beside[near[0]]}'? {remedy}" if near else f"{remedy} It was looked for in {Path.cwd()}."
        )
    return Problem(str(file), "cannot be read", str(reason), remedy)
