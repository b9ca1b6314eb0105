"""Where the command starts: `fftool`, and `python -m fftool`."""

import signal
import sys
from types import FrameType

RETRY_SECONDS = 0.01


def interrupt(number: int, frame: FrameType | None) -> None:
    """Answer a Ctrl-C with KeyboardInterrupt; one that comes within an import, as soon as the import is through.

    Out of an import it would become whatever the importing library makes of it: numpy's and torch's C++ end the
    process with a message of their own.
    """
    while frame is not None and hasattr(signal, "setitimer"):  # which Windows lacks
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            signal.signal(signal.SIGALRM, interrupt)
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; a Ctrl-C that comes while it is still loading ends it quietly too."""
    try:
        signal.signal(signal.SIGINT, interrupt)
        from fftool.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
