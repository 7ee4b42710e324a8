"""node-app: a base, Node.js by apt, and a node_modules tree by npm: very many small files."""

from __future__ import annotations

from fastlayers import Image

from .builder import Builder

MODULES = "srv/app/node_modules"

# With the date, npm takes the same versions of everything these need, now and in years.
_BEFORE = "2025-01-01"
_PACKAGES = """
    @ant-design/icons@5.5.1 @babel/preset-env@7.26.0 @mui/icons-material@5.16.7
    @mui/material@5.16.7 antd@5.21.6 aws-sdk@2.1691.0 googleapis@144.0.0 lodash@4.17.21
    next@14.2.15 react@18.3.1 react-dom@18.3.1 react-scripts@5.0.1 three@0.169.0 typescript@5.6.3
"""

_APT_INSTALL = """
apt-get update -q
apt-get install -q -y --no-install-recommends {}
apt-get clean
rm -rf /var/lib/apt/lists/*
"""

# npm with its 24,000 files is a build tool: what it installs goes out through a volume.
_NPM_INSTALL = f"""
cd /made
echo '{{"name": "app", "version": "1.0.0", "private": true}}' > package.json
npm install --ignore-scripts --legacy-peer-deps --no-audit --no-fund --no-package-lock \
  --before={_BEFORE} {" ".join(_PACKAGES.split())}
"""
_COPY = "mkdir /srv/app; cp -a /made/package.json /made/node_modules /srv/app/"

_QUICK_NODE = "seq 200000 > /usr/lib/runtime.txt"
_QUICK_INSTALL = r"""
perl -e '
  for my $package (1 .. 60) {
    my $folder = "/srv/app/node_modules/package-$package/lib";
    system("mkdir", "-p", $folder);
    for my $number (1 .. 30) {
      open(my $file, ">", "$folder/file-$number.js") or die;
      print $file "export const value_$_ = $package * $_;\n" for 1 .. $number * 8;
    }
  }'
"""


def build(builder: Builder) -> Image:
    """Three layers of about 120,000 files; `quick`: of about 8,000, without network."""
    if builder.quick:
        node = builder.step(builder.base(), _QUICK_NODE, "A runtime")
        return builder.step(node, _QUICK_INSTALL, "Modules")
    node = builder.step(builder.base(), _APT_INSTALL.format("nodejs"), "Node.js")
    npm = builder.step(node, _APT_INSTALL.format("npm"), "npm")
    made = builder.folder / "made"
    made.mkdir()
    builder.step(npm, _NPM_INSTALL, "npm install", [f"{made}:/made"])
    return builder.step(node, _COPY, "Modules", [f"{made}:/made:ro"])
