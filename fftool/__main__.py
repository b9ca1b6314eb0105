"""`python -m fftool` is `fftool`."""

from fftool.cli import main

main()
