"""The page about the module `automa` says what the module has, and its example runs."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import automa_sandbox

ROOT = Path(__file__).parents[2]
MODULE = Path(automa_sandbox.__path__[0]) / "guest/automa.py"
PAGE = (ROOT / "docs/reference/guest-module.md").read_text("utf-8")


def functions() -> dict[str, ast.FunctionDef]:
    tree = ast.parse(MODULE.read_text("utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in found if not node.name.startswith("_")}


def test_every_function_is_on_the_page_with_its_signature() -> None:
    for name, function in functions().items():
        arguments = ast.unparse(function.args).replace("'", '"')
        arguments = re.sub(r"(: [^=]+?)=", r"\1 = ", arguments).replace("|", r"\|")
        assert f"| `{name}({arguments})` |" in PAGE


def test_every_function_is_documented_and_offered() -> None:
    tree = ast.parse(MODULE.read_text("utf-8"))
    (offered,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert {*functions(), "UnknownSecret"} == set(offered)
    assert all(ast.get_docstring(function) for function in functions().values())


def test_the_example_runs_where_no_harness_is() -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    source = f"pages = ['one', ' ']\n{inspect.cleandoc(example[1])}"
    code = f"import sys; sys.path.insert(0, {str(MODULE.parent)!r}); exec({source!r})"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines() == [
        "progress: 0% page 0",
        "progress: 50% page 1",
        "warning: page 1 is empty",
        'result: {"pages": 2}',
    ]
