"""Runs tests on a copy of the code, each time in a fork of this process: it holds the libraries and none of the code.

Loading the libraries takes longer than most of the tests. One line in is a JSON list of tests, one line out what pytest
returned; what it said is in the file that the second argument names.
"""

import json
import os
import signal
import sys

# what plantation_rwa and its tests load; not one module of theirs, for those are what is spoiled
import geopandas  # noqa: F401
import hypothesis  # noqa: F401
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pytest
import rasterio  # noqa: F401
import scipy.optimize
import scipy.stats  # noqa: F401
import sklearn.ensemble  # noqa: F401
import xarray  # noqa: F401

SECONDS = 300
OPTIONS = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", ""]


def in_a_fork(tests: list[str], said: str) -> int:
    """What pytest returns for some tests; negative if the process was ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        for stream, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
            os.dup2(os.open(os.devnull if stream == 0 else said, flags), stream)
        os.dup2(1, 2)
        os._exit(int(pytest.main([*OPTIONS, *tests])))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    place, said = sys.argv[1:]
    os.chdir(place)
    sys.path[0] = place
    for line in sys.stdin:
        print(in_a_fork(json.loads(line), said), flush=True)
