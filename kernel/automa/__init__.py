"""Automa: the self-hosted home for Python scripts and automation agents."""

__version__ = "0.1.0"
