"""The catalog: scripts, their immutable versions, and the parameters read from them."""
