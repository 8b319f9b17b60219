"""The version of the helpers; a notebook says which one it was written for."""

__version__ = "0.1.0"
