"""Where the command starts: `fftool`, and `python -m fftool`."""

import logging
import os
import sys
import warnings

from fftool.interrupts import answer_at_once


def main() -> None:
    """Run the command line; a Ctrl-C that comes while it is still loading ends it quietly too."""
    debugging = os.environ.get("FFTOOL_DEBUG") == "1"
    if not debugging:  # what the libraries below warn of is for developers
        warnings.simplefilter("ignore")
        logging.lastResort = logging.NullHandler()
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook may not be there
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # a file that is opened later never stands in for a closed stream
    os.close(descriptor)
    try:
        answer_at_once()
        from fftool.cli import main as run

        run(debugging)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
