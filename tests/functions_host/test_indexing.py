"""The local host refuses what the platform's worker refuses while it indexes, in the same words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.functions_host.errors import AppError
from local.functions_host.loader import App, load_app
from tests.functions_host.load_cases import CASES, LoadCase

MODULE = "function_app"


@pytest.fixture(autouse=True)
def _other_apps_are_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = sys.modules.pop(MODULE, None)
    yield
    sys.modules.pop(MODULE, None)
    if before is not None:
        sys.modules[MODULE] = before


def load(folder: Path, source: str) -> App:
    (folder / "function_app.py").write_text(source, encoding="utf-8")
    return load_app(folder)


@pytest.mark.parametrize("case", [c for c in CASES if c.error is None], ids=str)
def test_what_the_worker_takes_is_taken(tmp_path: Path, case: LoadCase) -> None:
    app = load(tmp_path, case.source)
    assert [f.name for f in app.functions] + [w.split("'")[1] for w in app.warnings] == ["f"]


@pytest.mark.parametrize("case", [c for c in CASES if c.error is not None], ids=str)
def test_what_the_worker_refuses_leaves_no_function_and_says_so_in_its_words(tmp_path: Path, case: LoadCase) -> None:
    with pytest.raises(AppError) as caught:
        load(tmp_path, case.source)
    text, place, rest = str(caught.value).partition(f" ({tmp_path}/function_app.py")
    assert text == case.error
    assert place
    assert case.remedy in rest


@pytest.mark.parametrize("case", [c for c in CASES if (c.error or "").startswith("FunctionLoadError")], ids=str)
def test_the_line_of_the_function_is_named(tmp_path: Path, case: LoadCase) -> None:
    with pytest.raises(AppError) as caught:
        load(tmp_path, case.source)
    number = int(str(caught.value).split("function_app.py, line ")[1].split(")")[0])
    assert case.source.splitlines()[number - 1].startswith(("def f(", "async def f("))


def test_every_function_that_is_refused_is_named(tmp_path: Path) -> None:
    source = "import azure.durable_functions as df\n\napp = df.DFApp()\n" + "".join(
        f"@app.activity_trigger(input_name='a')\ndef {name}(a: list[int]): ...\n" for name in ("one", "two", "three")
    )
    with pytest.raises(AppError, match=r"cannot load the one function: .* \(also refused: 'two', 'three'\)$"):
        load(tmp_path, source)


def test_a_refused_function_of_another_module_is_found_there(tmp_path: Path) -> None:
    (tmp_path / "own_blueprint.py").write_text(
        "import azure.durable_functions as df\n\nblueprint = df.Blueprint()\n\n\n"
        "@blueprint.route(route='x')\n@blueprint.durable_client_input(client_name='client')\n"
        "async def f(req: list[int], client) -> str: ...\n"
    )
    source = "import azure.durable_functions as df\nimport own_blueprint\n\napp = df.DFApp()\n"
    with pytest.raises(AppError, match=r"own_blueprint\.py, line 8\): write `req: func\.HttpRequest`"):
        load(tmp_path, f"{source}app.register_functions(own_blueprint.blueprint)\n")
    sys.modules.pop("own_blueprint")
