"""Helpers of the course: they hide measuring, never the practice that is taught."""

__version__ = "0.1.0"
