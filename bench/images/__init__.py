"""The images that are measured, built with fastlayers itself and kept in bench/cache."""

from __future__ import annotations

from ..layout import SUMMARY, BenchImage
from . import debian, layers_500, million, ml_app, node_app
from .builder import CACHE, Builder, Recipe
from .export import write_layout

RECIPES: dict[str, Recipe] = {
    "debian": debian.build,
    "node-app": node_app.build,
    "ml-app": ml_app.build,
    "layers-500": layers_500.build,
    "million": million.build,
}


def bench_image(name: str, *, quick: bool = False) -> BenchImage:
    """An image from the cache, or built now. `quick`: the small one, which CI uses."""
    full_name = f"{name}-quick" if quick else name
    image = BenchImage(full_name, CACHE / full_name)
    if not (image.layout / SUMMARY).exists():
        base = None if name == "debian" else bench_image("debian", quick=quick)
        print(f"building {full_name}", flush=True)
        with Builder(base, quick=quick) as builder:
            write_layout(RECIPES[name](builder), image)
    return image
