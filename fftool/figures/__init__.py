"""Figures that explain: one module for each kind. Nothing else knows matplotlib."""

import logging

# That it builds a list of fonts, or may not keep it, is nothing to tell the person who waits for a picture. It says so
# while it is imported.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())
