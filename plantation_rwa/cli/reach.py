"""What ``doctor`` can find out of things outside this program: inputs, services, the workers of a cluster."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from urllib.parse import urlparse

from plantation_rwa.config import Config, input_places
from plantation_rwa.errors import ConfigError, SourceError
from plantation_rwa.executor import Runner
from plantation_rwa.sources.remote import require_object
from plantation_rwa.stores import is_store

#: names more than this many bad inputs would only hide each other
_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing looked at; ``state`` is ok, note or bad."""

    what: str
    state: str
    text: str


def inputs(config: Config | None) -> list[Finding]:
    """Whether every file may be opened and every object is there; what they hold is looked at by ``check``."""
    if config is None:
        return []
    places = [(key, place) for key, found in input_places(config).items() for place in found]
    faults = [f"{key}: {said}" for key, place in places if (said := _fault(place))]
    if not faults:
        return [Finding("inputs", "ok", f"{len(places)} files and addresses of the configuration may be read")]
    more = f"; {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return [Finding("inputs", "bad", "; ".join(faults[:_SHOWN]) + more)]


def _fault(place: str) -> str:
    """Why a place cannot be read; empty if it can, or is on a web server, which is asked by ``check``."""
    if is_store(place):
        try:
            require_object(place)
        except SourceError as error:
            return str(error)
    elif "://" not in place and not os.access(place, os.R_OK | (os.X_OK if os.path.isdir(place) else 0)):
        return f"{os.path.basename(place)} may not be read. Check rights."
    return ""


def service(variable: str) -> Finding:
    """Reachability of a service the environment names; nothing is started."""
    url = os.environ.get(variable)
    if not url:
        return Finding(variable, "note", "not set; not needed for the command line")
    try:
        parts = urlparse(url if "://" in url else f"tcp://{url}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as fault:
        return Finding(variable, "bad", f"{url}: is no address ({fault}). Write it as scheme://host:port.")
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=3):
            return Finding(variable, "ok", f"{parts.hostname}:{port} answers")
    except OSError as fault:
        return Finding(
            variable,
            "bad",
            f"{parts.hostname}:{port} does not answer ({fault}). Start the service or unset {variable}.",
        )


def cluster(variable: str) -> Finding:
    """Whether the scheduler that the environment names is one, and its workers have this program and its packages."""
    found = service(variable)
    if found.state != "ok":
        return found
    address = os.environ[variable]
    try:
        workers = Runner("dask", address=address).check_cluster()
    except ConfigError as error:
        return Finding(variable, "bad", str(error))
    if not workers:
        return Finding(variable, "note", f"{address} answers and has no worker: a run would wait for one")
    return Finding(variable, "ok", f"{address} answers; {workers} workers have the versions of this machine")
