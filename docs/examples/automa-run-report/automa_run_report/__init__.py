"""A plugin for Automa that keeps a Markdown report of the runs that have ended."""
