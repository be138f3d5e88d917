"""What there is: customers, invoices and payments."""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

Status = Literal["paid", "overpaid", "part paid", "open", "overdue"]


@dataclass(frozen=True)
class Customer:
    id: str
    name: str
    accounts: tuple[str, ...]
    """The bank accounts (IBAN) that the customer pays from."""


@dataclass(frozen=True)
class Payment:
    booked: date
    account: str
    reference: str
    amount: Decimal


@dataclass
class Invoice:
    number: str
    customer: Customer
    due: date
    amount: Decimal
    payments: list[Payment] = field(default_factory=list[Payment])
    paid: Decimal = Decimal(0)

    @property
    def missing(self) -> Decimal:
        """What is still to be paid; below zero if too much was."""
        return self.amount - self.paid

    def settle(self, payment: Payment, amount: Decimal) -> None:
        """Count `amount` of the payment for this invoice."""
        self.payments.append(payment)
        self.paid += amount

    def status(self, today: date) -> Status:
        if self.missing < 0:
            return "overpaid"
        if self.missing == 0:
            return "paid"
        if self.due < today:
            return "overdue"
        return "part paid" if self.paid else "open"
