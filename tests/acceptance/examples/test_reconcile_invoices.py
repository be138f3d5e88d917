import pytest


class TestReconciliation:
    def test_the_books_add_up(self, run) -> None:
        result = run("reconcile-invoices").result
        assert (result["invoiced"], result["received"], result["outstanding"]) == (
            "7984.90",
            "6620.00",
            "1374.90",
        )
        assert result["states"] == {"paid": 6, "overdue": 2, "overpaid": 1, "open": 2}
        assert result["overpaid"] == {"2026-0109": "10.00"}

    def test_a_payment_for_two_invoices_settles_both(self, run) -> None:
        out = run("reconcile-invoices").out
        assert "2026-0103  Van Dijk Fietsen       2026-05-15     312.40     312.40  paid" in out
        assert "2026-0104  Van Dijk Fietsen       2026-05-20      87.60      87.60  paid" in out

    def test_a_payment_without_a_number_is_matched_by_account_and_amount(self, run) -> None:
        assert (
            "2026-0107  Bäckerei Holm          2026-06-17     480.00     480.00  paid"
            in run("reconcile-invoices").out
        )

    def test_what_nobody_can_match_is_left_to_a_person(self, run) -> None:
        unmatched = run("reconcile-invoices").result["unmatched"]
        assert [payment["reference"] for payment in unmatched] == ["voorschot", "Spende Sommerfest"]

    def test_those_who_are_late_get_a_reminder(self, run) -> None:
        assert "To Praxis Dr. Seidel: please pay 460.00 EUR" in run("reconcile-invoices").out
        assert "please pay" not in run("reconcile-invoices", reminders=False).out

    def test_the_day_decides_what_is_overdue(self, run) -> None:
        assert run("reconcile-invoices", today="2026-06-25").result["overdue"] == ["2026-0105"]
        assert run("reconcile-invoices", today="2026-08-01").result["overdue"] == [
            "2026-0108", "2026-0105", "2026-0110", "2026-0111",
        ]  # fmt: skip


class TestBadInput:
    @pytest.mark.parametrize(
        ("file", "old", "new", "message"),
        [
            ("invoices.csv", "1.250,00", "lots", "invoices.csv, line 3: 'lots' is no amount"),
            ("invoices.csv", "0104;C03", "0104;C99", "invoices.csv, line 5: there is no 'C99'"),
            ("statement.csv", "2026-05-14", "14.05.2026", "statement.csv, line 4"),
            ("statement.csv", "booked;", "day;", "there is no 'booked'"),
            ("customers.json", '"name"', '"nom"', "customers.json: KeyError('name')"),
        ],
    )
    def test_a_wrong_value_is_told_with_its_line(
        self, run, copy_of, file: str, old: str, new: str, message: str
    ) -> None:
        path = copy_of("reconcile-invoices") / "data" / file
        path.write_text(path.read_text().replace(old, new, 1))
        finished = run(path.parent.parent)
        assert finished.state == "failed"
        assert message in finished.err

    def test_a_missing_file_is_named(self, run) -> None:
        assert "nowhere/customers.json cannot be read" in run("reconcile-invoices", data="nowhere").err
