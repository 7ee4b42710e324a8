"""layers-500: a base and one small change after the other, up to 500 layers."""

from __future__ import annotations

from fastlayers import Image

from .builder import Builder


def build(builder: Builder) -> Image:
    """500 layers; `quick`: 20. Each adds a file, changes one, and takes an older one away."""
    image = builder.base()
    for number in range(2, 21 if builder.quick else 501):
        script = (
            f"mkdir -p /srv/steps; echo {number} > /srv/steps/{number}; "
            f"echo {number} > /srv/last; rm -f /srv/steps/{number - 10}"
        )
        image = builder.step(image, script, f"Step {number}")
    return image
