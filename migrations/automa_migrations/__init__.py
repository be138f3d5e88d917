"""The kernel's database migrations and the one alembic environment that plugins share."""
