class TestDigest:
    def test_threads_come_with_the_newest_first(self, run) -> None:
        out = run("mail-digest").out
        assert out.startswith("6 of 7 messages in 3 threads since 04 June 2026")
        assert out.index("(no subject)") < out.index("Regatta in Lübeck") < out.index("Invoice 2231")

    def test_a_thread_names_everybody_who_wrote(self, run) -> None:
        assert "Pavel Dvořák · Ines Duarte · Moser, Lena" in run("mail-digest").out

    def test_quotes_and_signatures_are_left_out_but_not_what_looks_like_one(self, run) -> None:
        out = run("mail-digest").out
        assert "Count me in. From now on I am free on Saturdays." in out
        assert "I can take four people" not in out
        assert "coach" not in out

    def test_old_charsets_are_decoded_and_long_texts_cut(self, run) -> None:
        assert "the offer of März: 40 EUR too much" in run("mail-digest").out
        out = run("mail-digest", width=60).out
        assert "März: 40 EUR too …" in out

    def test_attachments_are_listed_by_name(self, run) -> None:
        out = run("mail-digest").out
        assert "Attached: invoice-2231.pdf" in out
        assert "Attached: jetty.svg" in out

    def test_more_days_reach_further_back(self, run) -> None:
        out = run("mail-digest", days=30).out
        assert out.startswith("7 of 7 messages in 4 threads")
        assert "Keys of the boathouse" in out


class TestBadInput:
    def test_an_empty_mailbox_is_named(self, run, copy_of) -> None:
        folder = copy_of("mail-digest")
        (folder / "team.mbox").write_text("")
        assert run(folder).err == "team.mbox holds no message."

    def test_a_missing_mailbox_is_named(self, run) -> None:
        assert run("mail-digest", path="old.mbox").err == "There is no mailbox old.mbox."

    def test_a_message_without_anything_is_still_listed(self, run, copy_of) -> None:
        folder = copy_of("mail-digest")
        (folder / "team.mbox").write_bytes(
            b"From x\nDate: tomorrow\nContent-Type: text/plain; charset=x\n\n\xff\n\n"
        )
        out = run(folder).out
        assert "(unknown)" in out
        assert "(no subject)" in out
