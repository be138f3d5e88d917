"""The HTTP toolbox of all rooms: problems, pagination, body safety, security headers, idempotency."""
