"""Reconciliation of invoices and payments."""
