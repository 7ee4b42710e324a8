"""bsdtar -x of the layers: no registry, no hashing, no layer rules."""

from __future__ import annotations

from .. import tree
from ..layout import BenchImage
from ..measure import Cost, run
from .base import Contestant


class Bsdtar(Contestant):
    name = "bsdtar -x"
    program = "bsdtar"
    is_engine = False
    sets_folder_times = False

    def pull(self, reference: str, image: BenchImage) -> Cost:
        root = self.place / "root"
        root.mkdir()
        layers = " && ".join(self.command(str(layer.path)) for layer in image.layers)
        return run(["sh", "-c", f"cd {root} && {layers}"])

    def command(self, layer: str) -> str:
        """The shell command that extracts one layer here."""
        return f"bsdtar --numeric-owner -xpf {layer}"

    def tree(self, reference: str) -> tree.Tree:
        return tree.without_whiteouts(tree.of_directory(self.place / "root"))
