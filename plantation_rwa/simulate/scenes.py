from __future__ import annotations
from dataclasses import dataclass
from typing import Any
import pandas as pd
Style=str
@dataclass
class Plan:
    seed: Any; window: Any; switch: Any; passes: Any; styles: Any; faults: Any; wrong: Any; effects: Any
def write_scenes(directory, plan, estates, states):
    return pd.DataFrame(), pd.DataFrame()
