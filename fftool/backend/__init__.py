"""Devices, memory and kernels: everything that knows torch beyond its tensors."""
