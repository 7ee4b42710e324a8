"""ml-app: a base, and Python with PyTorch: few files, some of them huge."""

from __future__ import annotations

from fastlayers import Image

from .builder import Builder

# Every package by its version and without what it depends on: PyTorch's list ends in gigabytes of
# CUDA libraries. Without these it cannot be imported; here only its bytes count.
_PACKAGES = """
    filelock==3.16.1 fsspec==2024.10.0 jinja2==3.1.4 markupsafe==3.0.2 mpmath==1.3.0
    networkx==3.4.2 numpy==1.26.4 sympy==1.13.3 torch==2.1.2 typing-extensions==4.12.2
"""

_INSTALL = f"""
apt-get update -q
apt-get install -q -y --no-install-recommends python3 python3-venv
apt-get clean
rm -rf /var/lib/apt/lists/*
python3 -m venv /opt/venv
/opt/venv/bin/pip install --no-cache-dir --no-deps {" ".join(_PACKAGES.split())}
"""

_QUICK_INSTALL = r"""
mkdir -p /opt/venv/lib
for number in 1 2 3; do
  { seq -f "weight %.0f" 1 400000; head -c 4000000 /dev/urandom; } > /opt/venv/lib/part-$number.so
done
"""


def build(builder: Builder) -> Image:
    """Two layers, 1.7 GB; `quick`: three files of 10 MB, without network."""
    install = _QUICK_INSTALL if builder.quick else _INSTALL
    return builder.step(builder.base(), install, "Python and PyTorch")
