"""The taxonomy: every error has a code of its own, a status that fits, and one shape."""

from collections.abc import Iterator

import pytest

from automa.errors import AutomaError, FieldError, NotFound, TooManyRequests, problem
from automa.sdk import errors as sdk_errors


def walk(kind: type[AutomaError] = AutomaError) -> Iterator[type[AutomaError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from walk(child)


KINDS = [kind for kind in walk() if kind.__module__ == "automa.errors"]


class TestTaxonomy:
    def test_each_has_a_code_of_its_own(self) -> None:
        codes = [kind.code for kind in KINDS]
        assert len(set(codes)) == len(codes)
        assert all(code.isascii() and code.replace("_", "").isalpha() and code.islower() for code in codes)

    def test_each_has_a_title_of_its_own(self) -> None:
        titles = [kind.title for kind in KINDS]
        assert len(set(titles)) == len(titles)
        assert not any(title.endswith(".") for title in titles)

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_says_what_it_means(self, kind: type[AutomaError]) -> None:
        assert kind.__doc__
        assert 400 <= kind.status < 600

    @pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.__base__ in KINDS[1:]])
    def test_a_special_case_answers_with_the_status_of_its_kind_or_a_closer_one(
        self, kind: type[AutomaError]
    ) -> None:
        assert kind.__base__ is not None
        assert issubclass(kind.__base__, AutomaError)
        assert kind.status // 100 == kind.__base__.status // 100

    def test_plugins_meet_the_same_classes(self) -> None:
        assert {getattr(sdk_errors, name) for name in sdk_errors.__all__} - {FieldError} <= set(KINDS)


class TestProblem:
    def test_it_holds_at_least_type_title_status_and_code(self) -> None:
        assert problem(NotFound()) == {
            "type": "urn:automa:error:not_found",
            "title": "Not found",
            "status": 404,
            "code": "not_found",
        }

    def test_detail_fields_and_extras_are_added(self) -> None:
        error = NotFound("No such run.", errors=[FieldError("/run", "unknown")], extra={"state": "gone"})
        body = problem(error)
        assert body["detail"] == "No such run."
        assert body["errors"] == [{"pointer": "/run", "detail": "unknown"}]
        assert body["state"] == "gone"

    def test_when_to_come_back_is_a_header_and_not_in_the_body(self) -> None:
        error = TooManyRequests(retry_after_s=3)
        assert error.retry_after_s == 3
        assert "retry_after_s" not in problem(error)

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_error_without_detail_reads_as_its_title(self, kind: type[AutomaError]) -> None:
        assert str(kind()) == kind.title
        assert str(kind("more")) == "more"
