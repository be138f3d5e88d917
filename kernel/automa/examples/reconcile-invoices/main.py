"""Reconcile invoices with a bank statement.

A small application of several files: it reads the invoices, the customers and the statement of the bank,
finds out which payment is for which invoice, and says what is paid, short, overpaid or overdue.
"""

import sys
from datetime import date
from pathlib import Path
from typing import Any

from reconcile import files, report
from reconcile.matching import Ledger


def main(data: str = "data", today: date = date(2026, 6, 30), reminders: bool = True) -> dict[str, Any]:
    """Match the payments to the invoices and report on both.

    Args:
        data: The folder with invoices.csv, customers.json and statement.csv.
        today: The day against which due dates are held.
        reminders: Write a reminder for each customer who is late.
    """
    folder = Path(data)
    try:
        customers = files.read_customers(folder / "customers.json")
        ledger = Ledger(customers, files.read_invoices(folder / "invoices.csv", customers))
        for payment in files.read_statement(folder / "statement.csv"):
            ledger.book(payment)
    except files.BadFile as problem:
        sys.exit(str(problem))

    print(report.table(ledger, today))
    if reminders:
        for letter in report.reminders(ledger, today):
            print(f"\n{letter}")
    return report.figures(ledger, today)
