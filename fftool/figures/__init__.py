"""Figures that explain: one module for each kind. Nothing else knows matplotlib."""
