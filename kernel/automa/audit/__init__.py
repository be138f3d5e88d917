"""Audit: who did what, in the same transaction as the change, in a chain that shows tampering."""
