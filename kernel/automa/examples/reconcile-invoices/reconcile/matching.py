"""Finding out which payment is for which invoice.

People write the number of an invoice in many ways, forget it, or pay two invoices at once. The rules, the
first that applies wins:

1. the reference names invoices: they are settled in that order, the last one takes what is left over;
2. the account belongs to a customer with exactly one open invoice of that amount;
3. nobody knows: the payment stays unmatched for a person to look at.
"""

import re
from decimal import Decimal

from .models import Customer, Invoice, Payment

NUMBER = re.compile(r"(20\d\d)[-/ ]?(\d{4})\b")


class Ledger:
    """The invoices, and what was paid for them so far."""

    def __init__(self, customers: dict[str, Customer], invoices: list[Invoice]) -> None:
        self.invoices = {invoice.number: invoice for invoice in invoices}
        self.unmatched: list[Payment] = []
        self._owner = {account: customer for customer in customers.values() for account in customer.accounts}

    def book(self, payment: Payment) -> None:
        """Count a payment for the invoices it is meant for."""
        invoices = self._named(payment) or self._by_amount(payment)
        if not invoices:
            self.unmatched.append(payment)
            return
        left = payment.amount
        for invoice in invoices[:-1]:
            part = min(left, max(invoice.missing, Decimal(0)))
            invoice.settle(payment, part)
            left -= part
        invoices[-1].settle(payment, left)

    def _named(self, payment: Payment) -> list[Invoice]:
        """The invoices that the reference names, each once."""
        numbers = dict.fromkeys(f"{year}-{serial}" for year, serial in NUMBER.findall(payment.reference))
        return [self.invoices[number] for number in numbers if number in self.invoices]

    def _by_amount(self, payment: Payment) -> list[Invoice]:
        """The only open invoice of the account's owner with that amount, if there is just one."""
        owner = self._owner.get(payment.account)
        found = [
            invoice
            for invoice in self.invoices.values()
            if invoice.customer == owner and invoice.missing == payment.amount
        ]
        return found if len(found) == 1 else []
