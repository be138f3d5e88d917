"""Secrets: what scripts need to know and nobody is to see. Kept encrypted, given to runs that ask."""
