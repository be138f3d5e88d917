"""Storage: the database, its transactions and migrations, and the blobs beside it."""
