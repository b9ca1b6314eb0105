"""Entry point of the command: `fftool`, and `python -m fftool`."""

import os
import sys
import warnings

from fftool import interrupts


def main() -> None:
    """Run the command line; a Ctrl-C while it is still loading ends it quietly too."""
    debugging = os.environ.get("FFTOOL_DEBUG") == "1"
    try:
        interrupts.install()
        with interrupts.uninterrupted():
            _prepare(debugging)
            from fftool.cli import main as run
        run(debugging)
    except KeyboardInterrupt:
        sys.exit(130)


def _prepare(debugging: bool) -> None:
    """Settings of the whole process."""
    if not debugging:  # the libraries' warnings are for developers
        import logging

        warnings.simplefilter("ignore")
        logging.lastResort = logging.NullHandler()
    os.environ["MPLBACKEND"] = "agg"  # a notebook's may not be installed
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # so that a file opened later never takes the place of a closed stream
    os.close(descriptor)


if __name__ == "__main__":
    main()
