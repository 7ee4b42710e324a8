"""What the scale curves call flat, linear and worse."""

import random
from collections.abc import Callable

import pytest
from bench.scale.growth import FLAT, LINEAR, WORSE, growth, is_worse

SIZES = (1, 10, 50, 100, 250, 500, 1000)


def verdict(cost: Callable[[float], float], seed: int = 0) -> str:
    """Of a cost with 5 % of noise, in seconds, over a start of 30 ms."""
    noise = random.Random(seed)
    values = [0.03 + cost(size) * noise.uniform(0.95, 1.05) for size in SIZES]
    return growth(SIZES, values, smallest=0.05).verdict


@pytest.mark.parametrize("seed", range(20))
def test_what_grows_how_is_recognised(seed: int) -> None:
    assert verdict(lambda n: 0.001 * n, seed) == LINEAR
    assert verdict(lambda n: 0.0, seed) == FLAT
    assert verdict(lambda n: 0.00001 * n, seed) == FLAT  # 10 ms at the end: nothing to see
    assert verdict(lambda n: 0.000001 * n * n, seed) == WORSE
    assert verdict(lambda n: 0.001 * n + 0.000001 * n * n, seed) == WORSE
    assert verdict(lambda n: 1.0 if n > 100 else 0.0, seed) == FLAT


def test_what_one_more_costs() -> None:
    values = [1 + 0.5 * size for size in SIZES]
    assert growth(SIZES, values, smallest=0.05).per_unit == pytest.approx(0.5)


def test_what_is_allowed() -> None:
    assert is_worse(LINEAR, FLAT) and is_worse(WORSE, LINEAR)
    assert not is_worse(FLAT, LINEAR) and not is_worse(LINEAR, LINEAR)
