"""What a store is worth when something goes wrong: killed processes, refused system calls, full
disks and power cuts. The suites run a part of all instants; `python -m tests.faults` runs them all.
"""
