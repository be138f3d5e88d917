"""What came out: a table for people, figures for programs, and letters to those who are late."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

from .matching import Ledger
from .models import Invoice

ZERO = Decimal(0)


def table(ledger: Ledger, today: date) -> str:
    head = f"{'Invoice':<10} {'Customer':<22} {'Due':<10} {'Amount':>10} {'Paid':>10}  State"
    invoices = [line(invoice, today) for invoice in ledger.invoices.values()]
    questions = [
        f"{payment.booked}: {payment.amount:,.2f} from {payment.account}: {payment.reference!r}?"
        for payment in ledger.unmatched
    ]
    return "\n".join([head, *invoices, *questions])


def line(invoice: Invoice, today: date) -> str:
    amounts = f"{invoice.amount:>10,.2f} {invoice.paid:>10,.2f}"
    return (
        f"{invoice.number:<10} {invoice.customer.name:<22} {invoice.due} {amounts}  {invoice.status(today)}"
    )


def figures(ledger: Ledger, today: date) -> dict[str, Any]:
    """The totals, as text where they are money, so that no cent is lost on the way."""
    invoices = ledger.invoices.values()
    return {
        "states": dict(Counter(invoice.status(today) for invoice in invoices)),
        "invoiced": str(sum((invoice.amount for invoice in invoices), ZERO)),
        "received": str(sum((invoice.paid for invoice in invoices), ZERO)),
        "outstanding": str(sum((max(invoice.missing, ZERO) for invoice in invoices), ZERO)),
        "overpaid": {invoice.number: str(-invoice.missing) for invoice in invoices if invoice.missing < 0},
        "overdue": [invoice.number for invoice in late(ledger, today)],
        "unmatched": [
            {"booked": str(payment.booked), "amount": str(payment.amount), "reference": payment.reference}
            for payment in ledger.unmatched
        ],
    }


def reminders(ledger: Ledger, today: date) -> Iterator[str]:
    """One letter for each customer with overdue invoices."""
    for name, owed in groupby(late(ledger, today), lambda invoice: invoice.customer.name):
        invoices = list(owed)
        lines = [
            f"    {invoice.number}  due {invoice.due:%d %B %Y}  {invoice.missing:>10,.2f} EUR"
            for invoice in invoices
        ]
        total = sum((invoice.missing for invoice in invoices), ZERO)
        yield "\n".join([f"To {name}: please pay {total:,.2f} EUR", *lines])


def late(ledger: Ledger, today: date) -> list[Invoice]:
    """The overdue invoices, by customer and then by date."""
    found = [invoice for invoice in ledger.invoices.values() if invoice.status(today) == "overdue"]
    return sorted(found, key=lambda invoice: (invoice.customer.name, invoice.due))
