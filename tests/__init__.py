"""The test suites of fastlayers; run `python -m pytest` from the top of the repository."""
