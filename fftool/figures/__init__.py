"""Figures that explain, one module for each kind. Only this package imports matplotlib."""
