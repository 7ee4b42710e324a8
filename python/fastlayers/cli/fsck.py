"""`fsck`, `system fsck`: checks every byte of the store, and mends what it can."""

from __future__ import annotations

from fastlayers.cli import human, one_line
from fastlayers.cli.command import Call, Command
from fastlayers.cli.flags import Flag

COMMAND = Command(
    "[OPTIONS]",
    "Check the store, and repair it",
    (
        Flag(
            "repair",
            "",
            "bool",
            "Make anew what can be, and put damaged blobs aside so that they are pulled again",
        ),
    ),
    arguments=(0, 0),
    aliases=("system fsck", "fsck"),
)


def run(call: Call) -> int:
    report = call.store.fsck(repair=call.flags.enabled("repair"))
    for damage in report.damages:
        print(one_line(str(damage)))
    found = len(report.damages)
    mended = found - len(report.unmended)
    verdict = "no damage" if not found else f"{found} damaged, {mended} of them mended"
    print(
        f"{report.blobs} blobs ({human.size(report.blob_bytes)}), {report.layers} layers, "
        f"{report.chains} chains, {report.containers} containers: {verdict}"
    )
    return 1 if report.unmended else 0
