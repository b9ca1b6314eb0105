"""How fast fftool is: `python -m benchmarks`."""
