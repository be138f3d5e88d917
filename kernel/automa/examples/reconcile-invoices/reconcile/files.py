"""Reading the input. Whatever is wrong with it is told with the file and the line."""

import csv
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal, DecimalException
from pathlib import Path
from typing import TypeVar

from .models import Customer, Invoice, Payment

T = TypeVar("T")


class BadFile(Exception):
    """A file that is missing, or holds something that cannot be read."""


def read_customers(path: Path) -> dict[str, Customer]:
    """The customers by their id."""
    try:
        entries = json.loads(text_of(path))
        customers = [
            Customer(entry["id"], entry["name"], tuple(compact(account) for account in entry["accounts"]))
            for entry in entries
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BadFile(f"{path}: {error!r}") from error
    return {customer.id: customer for customer in customers}


def read_invoices(path: Path, customers: dict[str, Customer]) -> list[Invoice]:
    def parse(row: dict[str, str]) -> Invoice:
        customer = customers[row["customer"]]
        return Invoice(row["number"], customer, date.fromisoformat(row["due"]), money(row["amount"]))

    return read_table(path, parse)


def read_statement(path: Path) -> list[Payment]:
    """The incoming payments in the order in which the bank booked them."""

    def parse(row: dict[str, str]) -> Payment:
        booked = date.fromisoformat(row["booked"])
        return Payment(booked, compact(row["account"]), row["reference"], money(row["amount"]))

    payments = [payment for payment in read_table(path, parse) if payment.amount > 0]
    return sorted(payments, key=lambda payment: payment.booked)


def read_table(path: Path, parse: Callable[[dict[str, str]], T]) -> list[T]:
    """The rows of a CSV file with semicolons, each given to `parse`."""
    reader = csv.DictReader(text_of(path).splitlines(), delimiter=";", restval="")
    parsed: list[T] = []
    for row in reader:
        try:
            parsed.append(parse(row))
        except KeyError as error:
            raise BadFile(f"{path}, line {reader.line_num}: there is no {error}") from error
        except (ValueError, DecimalException) as error:
            raise BadFile(f"{path}, line {reader.line_num}: {error}") from error
    return parsed


def text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"{path} cannot be read: {error}") from error


def money(text: str) -> Decimal:
    """An amount as banks here write it: `1.234,50`."""
    try:
        return Decimal(text.replace(".", "").replace(",", "."))
    except DecimalException:
        raise ValueError(f"{text!r} is no amount") from None


def compact(account: str) -> str:
    return account.replace(" ", "").upper()
