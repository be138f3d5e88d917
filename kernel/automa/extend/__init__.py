"""The plugin host: finds plugins, keeps one record of each, and calls their hooks."""
