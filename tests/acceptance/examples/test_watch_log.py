import pytest


class TestFindings:
    def test_bursts_silence_and_new_errors_are_reported_in_order(self, run) -> None:
        finished = run("watch-log")
        assert finished.out.splitlines()[:6] == [
            "2026-06-12 14:07:05  new       [payments] no answer from gateway after … ms, request …",
            "2026-06-12 14:07:00  burst     17 errors in a minute, usually 0",
            "2026-06-12 14:08:00  burst     6 errors in a minute, usually 0",
            "2026-06-12 14:17:59  silence   nothing was logged until 14:23:05",
            "2026-06-12 14:30:00  burst     44 lines in a minute, usually 9",
            "2026-06-12 14:32:31  new       [db] disk of … is … % full",
        ]
        assert finished.out.endswith("6 findings")

    def test_errors_are_counted_by_kind(self, run) -> None:
        out = run("watch-log").out
        assert "508 entries: 450 INFO, 30 ERROR, 27 WARNING, 1 CRITICAL" in out
        assert "23 × [payments] no answer from gateway after … ms, request …" in out

    def test_it_can_be_made_less_sensitive(self, run) -> None:
        assert "44 lines" not in run("watch-log", factor=6).out

    def test_it_can_fail_the_run(self, run) -> None:
        assert run("watch-log", fail_if_found=True).state == "failed"

    def test_a_burst_in_the_last_minute_is_seen(self, run, copy_of) -> None:
        folder = copy_of("watch-log")
        with (folder / "shop.log").open("a") as log:
            log.writelines(f"2026-06-12 14:41:{second:02} ERROR [web] 500\n" for second in range(30))
        assert "14:41:00  burst     30 errors" in run(folder).out


class TestBadInput:
    def test_a_log_of_another_form_is_refused(self, run, copy_of) -> None:
        folder = copy_of("watch-log")
        (folder / "shop.log").write_text("hello\n\nworld")
        assert run(folder).err == "shop.log has no line that looks like a log entry."

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"path": "nothing.log"}, "nothing.log"),
            ({"factr": 3}, "factr"),
            ({"factor": [1]}, "not supported"),
        ],
    )
    def test_a_wrong_parameter_is_named(self, run, params: dict, message: str) -> None:
        finished = run("watch-log", **params)
        assert finished.state == "failed"
        assert message in finished.err
        assert "Traceback" not in finished.err
