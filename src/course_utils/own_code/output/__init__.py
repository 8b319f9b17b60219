"""Findings as text, as JSON, as SARIF and as a notebook's table."""
