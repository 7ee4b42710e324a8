"""`python -m fastlayers`: the same as the `fastlayers` command."""

import sys

if __name__ == "__main__":
    try:
        from fastlayers.cli import main

        code = main()
    except KeyboardInterrupt:
        code = 130  # before main() could answer it
    sys.exit(code)
