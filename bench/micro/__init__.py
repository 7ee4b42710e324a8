"""Micro benchmarks of the core in C++, beside the limits of the machine."""
