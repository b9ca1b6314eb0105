"""Work on several processes or machines, by Dask: the extra `fftool[cluster]`."""
