"""The local packages know nothing of the app, and no package of the project imports in a circle."""

import ast
import re
from graphlib import CycleError, TopologicalSorter

import pytest

from local.foundry_emulator import __main__ as foundry_emulator
from local.functions_host import __main__ as functions_host
from tests.contract.project import DEPLOYED_PACKAGES, ROOT

PACKAGES = (*DEPLOYED_PACKAGES, "benchmarks", "client", "infra", "local", "tests")
LOCAL = ("functions_host", "foundry_emulator")


def name_of(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    name_of(file): file for file in (*ROOT.glob("*.py"), *(f for p in PACKAGES for f in (ROOT / p).rglob("*.py")))
}
APP = {name.split(".")[0] for name in MODULES} - {"benchmarks", "infra", "local", "tests"}


def imports(source, known):
    """Return the modules among `known` that a source imports, for annotations only too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                submodule = f"{node.module}.{one.name}"
                found.add(submodule if submodule in known else str(node.module))
    return found & set(known)


def circle(sources):
    """Return the modules of one import circle, in order; none: an empty list."""
    graph = {name: imports(source, sources) - {name} for name, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_package_imports_in_a_circle():
    assert circle({name: file.read_text("utf-8") for name, file in MODULES.items()}) == []


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "import b", "b": "import c", "c": ""}, set()),
        ({"a": "import b", "b": "def f():\n    import a"}, {"a", "b"}),
        ({"a": "if TYPE_CHECKING:\n    from b import B", "b": "from a import A"}, {"a", "b"}),
        ({"p": "from p.x import X", "p.x": "from p import y", "p.y": ""}, set()),
        ({"p": "from p.x import X", "p.x": "from p import X"}, {"p", "p.x"}),
    ],
)
def test_the_test_itself_sees_circles(sources, found):
    assert set(circle(sources)) == found


@pytest.mark.parametrize("package", LOCAL)
def test_a_local_package_knows_nothing_of_the_app_and_of_the_other(package):
    modules = [name for name in MODULES if name.startswith(f"local.{package}")]
    assert len(modules) > 10
    for module in modules:
        found = imports(MODULES[module].read_text("utf-8"), MODULES)
        assert not [name for name in found if name.split(".")[0] in APP | {"benchmarks", "infra", "tests"}], module
        assert not [name for name in found for other in LOCAL if other != package and f"local.{other}" in name], module


def options_of(parser):
    return {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}


@pytest.mark.parametrize(
    ("package", "parser"), [("functions_host", functions_host.parser), ("foundry_emulator", foundry_emulator.parser)]
)
def test_a_local_package_has_a_readme_with_its_command_and_all_options(package, parser):
    readme = (ROOT / "local" / package / "README.md").read_text("utf-8")
    assert f"$ python -m local.{package}\n" in readme
    assert set(re.findall(r"^\| `(--[\w-]+)", readme, re.MULTILINE)) == options_of(parser())
    assert "## What it does not do\n" in readme
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        assert (ROOT / "local" / package / link).resolve().is_file(), link
