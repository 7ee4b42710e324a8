"""GNU tar behind igzip: no registry, no hashing, no layer rules."""

from __future__ import annotations

import shutil

from .bsdtar import Bsdtar


class GnuTar(Bsdtar):
    name = "tar + igzip"
    program = "tar"
    sets_folder_times = True

    def missing(self) -> str | None:
        return super().missing() or (None if shutil.which("igzip") else "igzip is not installed")

    def command(self, layer: str) -> str:
        return f"igzip -dc {layer} | tar --numeric-owner --xattrs -xpf -"
