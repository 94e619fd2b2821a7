"""Error codes are one enumeration: whatever has a code takes it from there, and the page about them is complete."""

import ast
import re

import pytest

from contracts.codes import ErrorCode
from http_api.operations import OPERATIONS
from tests.contract.project import ROOT, deployed_modules

PAGE = (ROOT / "docs" / "errors.md").read_text("utf-8")
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in deployed_modules().items()}


def test_the_page_explains_every_code_and_no_other():
    rows = re.findall(r"^\| ((?:`[^|`]*`(?:, )?)+) \|", PAGE, re.MULTILINE)
    explained = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert explained | {"incomplete"} == {code.value for code in ErrorCode}
    assert "`incomplete`" in PAGE


def test_every_code_says_what_it_means():
    body = next(n for n in TREES["contracts.codes"].body if isinstance(n, ast.ClassDef)).body
    for code, text in zip(body[1::2], body[2::2], strict=True):
        assert isinstance(code, ast.Assign)
        assert isinstance(text, ast.Expr)
        assert ast.literal_eval(text.value).endswith(".")


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_given_out(code):
    nodes = (n for t in TREES.values() for n in ast.walk(t) if isinstance(n, ast.Attribute) and n.attr == code.name)
    assert [n for n in nodes if ast.unparse(n) == f"ErrorCode.{code.name}"]


def literals(tree):
    """Yield what is written as a code although it is no member of the enumeration."""
    for node in ast.walk(tree):
        given = []
        if isinstance(node, ast.Call):
            given = [k.value for k in node.keywords if k.arg == "code"]
            given += node.args[1:2] if ast.unparse(node.func) == "ApiError" else []
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
            given = [node.value]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            given = [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "code"]
        for value in given:
            either = value.values if isinstance(value, ast.BoolOp) else [value]
            yield from (v.value for v in either if isinstance(v, ast.Constant) and isinstance(v.value, str))


@pytest.mark.parametrize("module", sorted(TREES))
def test_no_code_is_written_as_text(module):
    assert list(literals(TREES[module])) == []


def test_the_check_sees_them():
    lines = ['f(code="a"); ApiError(1, "b", x)', 'code = "c"', 'd = {"code": "d"}', 'e = {"code": f(), "x": "y"}']
    source = "\n".join([*lines, 'g(code=f() or "e")'])
    assert sorted(literals(ast.parse(source))) == ["a", "b", "c", "d", "e"]


def test_the_description_of_the_api_names_codes_only():
    described = {code for operation in OPERATIONS for answer in operation.answers for code in answer.codes}
    assert described <= set(ErrorCode)
    assert ErrorCode.ANSWERED_OTHERWISE in described
