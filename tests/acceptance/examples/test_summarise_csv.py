"""The figures were worked out once more with awk and sort."""

import pytest


class TestSummary:
    def test_each_column_is_described_by_what_it_holds(self, run) -> None:
        columns = run("summarise-csv").result["columns"]
        assert {name: facts["kind"] for name, facts in columns.items()} == {
            "order": "number", "date": "date", "country": "text", "product": "text",
            "quantity": "number", "unit_price": "number", "revenue": "number", "shipping": "text",
        }  # fmt: skip
        assert (columns["date"]["first"], columns["date"]["last"]) == ("2026-01-02", "2026-06-30")
        assert columns["country"] == {
            "kind": "text", "count": 166, "missing": 3, "distinct": 6,
            "most_common": {"DE": 77, "AT": 31, "NL": 21},
        }  # fmt: skip

    def test_the_statistics_are_right_and_leave_out_what_is_missing(self, run) -> None:
        revenue = run("summarise-csv").result["columns"]["revenue"]
        assert (revenue["count"], revenue["missing"]) == (168, 1)
        assert revenue["sum"] == pytest.approx(4432.0)
        assert revenue["median"] == pytest.approx(21.8)
        assert revenue["mean"] == pytest.approx(4432.0 / 168, abs=1e-4)
        assert (revenue["min"], revenue["max"]) == (4.5, 129.0)

    def test_a_line_entered_twice_counts_once(self, run) -> None:
        result = run("summarise-csv").result
        assert (result["rows"], result["duplicates"]) == (169, 1)

    def test_groups_are_ranked_and_their_shares_add_up(self, run) -> None:
        finished = run("summarise-csv", group_by="country", top=7)
        groups = finished.result["groups"]
        assert [group["name"] for group in groups][:3] == ["DE", "AT", "NL"]
        assert groups[0]["sum"] == 2135.7
        assert sum(group["share"] for group in groups) == pytest.approx(1, abs=1e-3)
        assert "48.2%  DE" in finished.out


class TestBadInput:
    def test_an_unknown_column_is_named_with_those_there_are(self, run) -> None:
        finished = run("summarise-csv", group_by="nation")
        assert (finished.state, finished.report["exit_code"]) == ("failed", 1)
        assert "no column 'nation'" in finished.err
        assert "country" in finished.err

    def test_text_cannot_be_added_up(self, run) -> None:
        assert "'product' holds text, not number" in run("summarise-csv", measure="product").err

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "has no rows"),
            ("product,revenue\n", "has no rows"),
            ("product,revenue\na,1,2\n", "more cells"),
        ],
    )
    def test_a_file_that_is_no_table_is_refused(self, run, copy_of, content: str, message: str) -> None:
        folder = copy_of("summarise-csv")
        (folder / "orders.csv").write_text(content)
        assert message in run(folder).err

    def test_a_missing_file_is_named(self, run) -> None:
        assert run("summarise-csv", path="nothing.csv").err == "There is no file nothing.csv."
