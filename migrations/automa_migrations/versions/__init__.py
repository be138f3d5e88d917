"""Revisions of the kernel's tables, oldest first by their numbers."""
