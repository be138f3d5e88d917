from html.parser import HTMLParser

import pytest


class WellFormed(HTMLParser):
    """Raises where a tag is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


class TestReport:
    def test_the_figures_are_those_of_the_checks(self, run) -> None:
        result = run("uptime-report").result
        assert result["services"]["payments"]["availability"] == pytest.approx(92 / 96, abs=1e-6)
        assert result["services"]["stock <api>"]["availability"] == pytest.approx(95 / 96, abs=1e-6)
        assert result["services"]["web shop"] == {"availability": 1.0, "median_ms": 176.55}
        assert result["goal_missed"] == ["payments", "stock <api>"]

    def test_the_page_is_well_formed_and_shows_every_check(self, run) -> None:
        page = run("uptime-report").result["html"]
        parser = WellFormed()
        parser.feed(page)
        parser.close()
        assert parser.open == []
        assert page.count("<rect") == 3 * 96
        assert page.count('fill="#e5484d"') == 5

    def test_the_page_is_an_artifact_of_the_run(self, run) -> None:
        finished = run("uptime-report")
        (page,) = finished.report["artifacts"]
        assert (page["name"], page["media_type"]) == ("report.html", "text/html")
        assert page["size_bytes"] == len(finished.result["html"].encode())

    def test_outages_last_until_the_next_good_check(self, run) -> None:
        page = run("uptime-report").result["html"]
        assert "<li>payments: 08 June 09:15, 60 minutes</li>" in page
        assert "<li>stock &lt;api&gt;: 08 June 15:00, 15 minutes</li>" in page

    def test_text_from_outside_cannot_become_markup(self, run) -> None:
        page = run("uptime-report", title="<script>alert(1)</script>").result["html"]
        assert "<script" not in page
        assert "<api>" not in page

    def test_it_can_start_later(self, run) -> None:
        result = run("uptime-report", since="2026-06-08T12:00:00+00:00", goal=0.999).result
        assert result["services"]["payments"]["availability"] == 1.0
        assert result["goal_missed"] == ["stock <api>"]


class TestBadInput:
    @pytest.mark.parametrize("content", ["", "{", "[1]", '[{"at": "yesterday", "service": "x", "ok": true}]'])
    def test_a_file_that_holds_no_checks_is_refused(self, run, copy_of, content: str) -> None:
        folder = copy_of("uptime-report")
        (folder / "checks.json").write_text(content)
        finished = run(folder)
        assert finished.state == "failed"
        assert "checks.json is not a list of checks" in finished.err

    def test_no_checks_at_all_are_no_report(self, run) -> None:
        assert (
            run("uptime-report", since="2030-01-01T00:00:00+00:00").err == "There is no check to report on."
        )
