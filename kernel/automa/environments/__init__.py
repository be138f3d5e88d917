"""Environments: the packages that versions of scripts need, locked once, installed once, shown read-only."""
