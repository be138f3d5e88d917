"""What plugins import, and all they import: values, protocols, hooks and errors, each module by name."""

API_VERSION = "1.0"
"""The version of this room; a plugin says which range it works with: `Plugin(api=">=1,<2")`."""
