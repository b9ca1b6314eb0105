"""Where the command starts: `fftool`, and `python -m fftool`."""

import sys

from fftool.interrupts import answer_at_once


def main() -> None:
    """Run the command line; a Ctrl-C that comes while it is still loading ends it quietly too."""
    try:
        answer_at_once()
        from fftool.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
