"""million: a base and one layer of a million empty files."""

from __future__ import annotations

from fastlayers import Image

from .builder import Builder

_SCRIPT = r"""
perl -e '
  for my $folder (1 .. %d) {
    mkdir("/srv/$folder") or die;
    for my $number (1 .. 1000) {
      open(my $file, ">", "/srv/$folder/file-$number") or die;
    }
  }'
"""


def build(builder: Builder) -> Image:
    """A thousand folders of a thousand files; `quick`: ten folders."""
    folders = 10 if builder.quick else 1000
    return builder.step(builder.base(), _SCRIPT % folders, "Empty files")
