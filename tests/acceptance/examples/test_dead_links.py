DEAD = {
    ("about.html", "#treasurer"),
    ("about.html", "../intranet/minutes.html"),
    ("blog/index.html", "2026-05-regatta.html"),
    ("guide/index.html", "knots.html"),
    ("guide/index.html", "../img/"),
    ("guide/safety.html", ""),
    ("guide/training.html", "../js/calendar.js"),
    ("index.html", "guide/training.html#saturday"),
    ("index.html", "img/crew-2025.jpg"),
    ("index.html", "files/statutes.pdf"),
}


class TestLinks:
    def test_all_dead_links_are_found_and_no_other(self, run) -> None:
        result = run("dead-links").result
        assert {(link["page"], link["target"]) for link in result["dead"]} == DEAD
        assert (result["pages"], result["checked"]) == (7, 35)

    def test_each_comes_with_its_line_and_reason(self, run) -> None:
        finished = run("dead-links")
        dead = {(link["page"], link["target"]): link for link in finished.result["dead"]}
        assert dead["index.html", "guide/training.html#saturday"]["line"] == 18
        assert (
            "no element with the id 'saturday'"
            in dead["index.html", "guide/training.html#saturday"]["reason"]
        )
        assert "out of the site" in dead["about.html", "../intranet/minutes.html"]["reason"]
        assert "guide/index.html:9: 'knots.html': there is no such file" in finished.out

    def test_other_sites_are_counted_or_listed_but_not_visited(self, run) -> None:
        assert run("dead-links").result["external"] == 4
        listed = run("dead-links", external="list").result["external"]
        assert "https://www.worldrowing.com/" in listed
        assert len(listed) == 3

    def test_it_can_fail_the_run(self, run) -> None:
        finished = run("dead-links", fail_if_dead=True)
        assert (finished.state, finished.report["exit_code"]) == ("failed", 1)


class TestBadInput:
    def test_a_folder_without_pages_is_named(self, run) -> None:
        assert run("dead-links", site="nowhere").err == "There are no HTML files in nowhere."

    def test_a_page_of_wild_bytes_is_read_all_the_same(self, run, copy_of) -> None:
        folder = copy_of("dead-links")
        (folder / "site/odd.html").write_bytes(b'<a href="\xff\xfe.html"><a <p <a href=x.html')
        result = run(folder).result
        assert ("odd.html", "\ufffd\ufffd.html") in {
            (link["page"], link["target"]) for link in result["dead"]
        }
