"""Speed and quality of fftool on this machine: `python -m benchmarks`."""
