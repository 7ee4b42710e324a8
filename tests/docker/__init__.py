"""fastlayers and docker side by side: the same command lines, the answers compared.

python -m tests.docker asks a Docker of its own; the tests compare with what it answered before.
"""
