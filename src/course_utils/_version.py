"""The version of the helpers; a notebook names the one that it was written for."""

__version__ = "0.1.0"
