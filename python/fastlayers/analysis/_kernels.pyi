"""Loops over columns of a file table that numpy has no word for (Cython)."""

from typing import Any

import numpy as np

def directory_sizes(
    parent: np.ndarray[Any, Any], size: np.ndarray[Any, Any], kind: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]: ...
def runs(
    high: np.ndarray[Any, Any], low: np.ndarray[Any, Any], size: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]: ...
