"""Every example is there, says what it does, and runs as it is shipped."""

import ast
import sys

from automa.examples import Example, shipped


class TestShipped:
    def test_there_are_at_least_seven(self) -> None:
        assert len(shipped()) >= 7

    def test_an_example_says_what_it_does(self, example: Example) -> None:
        assert 10 <= len(example.title) <= 50
        assert not example.title.endswith(".")
        assert len(example.description) > 80

    def test_an_example_needs_the_standard_library_and_automa_only(self, example: Example) -> None:
        own = {"automa", *(path.stem for path in example.path.iterdir())}
        for file in example.path.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    names = [node.module]
                roots = {name.partition(".")[0] for name in names}
                assert roots <= own | sys.stdlib_module_names

    def test_an_example_is_small_enough_to_ship(self, example: Example) -> None:
        files = [path for path in example.path.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 200_000

    def test_an_example_succeeds_with_its_parameters(self, example: Example, run) -> None:
        finished = run(example.name, **example.params)
        assert (finished.state, finished.returncode) == ("succeeded", 0), finished.err
        assert finished.out
