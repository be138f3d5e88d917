"""Runs: the queue, the dispatch to a runner, the states, and the log."""
