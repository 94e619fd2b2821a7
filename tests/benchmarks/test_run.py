"""The benchmark code runs. Nothing here asserts a duration."""

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import benchmarks.__main__ as program
from benchmarks.figures import NAMES
from benchmarks.figures.replay_cost import replay_seconds
from benchmarks.latest import RESULTS, read
from benchmarks.options import Options
from benchmarks.readme import with_results
from benchmarks.report import Chart, Check, Figure, Line, Table
from benchmarks.stage import AppHost, Emulator, sdk_loops
from benchmarks.worker_process import HOURS, Batch, run_worker
from orchestrators import steps
from tests.functions_host.harness import REPOSITORY


def test_every_figure_is_a_module_that_measures():
    assert {
        name for name in NAMES if not callable(importlib.import_module(f"benchmarks.figures.{name}").measure)
    } == set()


def test_random_choices_come_from_the_seed():
    first, second, other = (Options(True, seed, print).random("lag").random() for seed in (1, 1, 2))
    assert first == second != other


DRAWS = pytest.mark.skipif(
    find_spec("matplotlib") is None,
    reason="make test installs what draws the plots (benchmarks/requirements.txt)",
)


@DRAWS
def test_the_program_writes_what_it_measured(tmp_path, monkeypatch, capsys):
    def measure(options):
        options.say(f"quick: {options.quick}")
        chart = Chart("t", "x", "y", [Line("a", [(0, 0), (1, 1)])])
        return Figure("Lag", Table(("a",), [[1.5]]), [Check("lag", 1.5, 1.0)], charts={"lag": chart})

    monkeypatch.delenv("FOUNDRY_PROJECT_ENDPOINT", raising=False)
    monkeypatch.setattr(importlib.import_module("benchmarks.figures.lag_virtual"), "measure", measure)
    assert program.main(["--quick", "--only", "lag_virtual", "--out", str(tmp_path), "--seed", "5"]) == 0
    document = read(tmp_path)
    assert document["seed"] == 5
    assert document["figures"]["lag_virtual"]["commits"] == document["commits"]
    assert document["machine"]["packages"]["azure-functions-durable"]
    assert document["figures"]["lag_virtual"]["checks"][0]["met"] is False
    assert "<svg" in (tmp_path / "lag.svg").read_text(encoding="utf-8")
    assert "quick: True" in capsys.readouterr().out


@DRAWS
def test_a_figure_that_fails_does_not_take_the_others_along(tmp_path, monkeypatch, capsys):
    def fail(options):
        raise RuntimeError("no emulator")

    monkeypatch.setattr(importlib.import_module("benchmarks.figures.memory"), "measure", fail)
    assert program.main(["--only", "memory", "--out", str(tmp_path)]) == 1
    assert "memory could not be measured: RuntimeError: no emulator" in capsys.readouterr().err


def test_without_what_draws_nothing_is_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        program.main(["--only", "memory", "--out", str(tmp_path)])
    assert "run make bench, or install benchmarks/requirements.txt" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_measuring_imports_nothing_that_draws():
    modules = ["benchmarks.__main__", "benchmarks.readme", *(f"benchmarks.figures.{name}" for name in NAMES)]
    program = f"import sys, {', '.join(modules)}; print({{'matplotlib', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_replay_is_metered_and_the_generation_length_restored():
    before = steps.TIMERS_PER_GENERATION
    seconds, episodes = replay_seconds(6, timers_per_generation=2)
    _, whole = replay_seconds(6, timers_per_generation=10**9)
    assert seconds > 0
    assert episodes > whole
    assert before == steps.TIMERS_PER_GENERATION


def test_results_are_in_the_repository():
    document = read(RESULTS)
    assert set(document["figures"]) == set(NAMES)
    charts = {f"{name}.svg" for figure in document["figures"].values() for name in figure["charts"]}
    assert {file.name for file in RESULTS.glob("*.svg")} == charts != set()
    readme = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert with_results(readme, document) == readme


@pytest.mark.e2e
def test_app_worker_and_sdk_run_against_one_emulator():
    with Emulator((0.0, 0.3, HOURS)) as emulator:
        with AppHost(emulator) as host, sdk_loops(emulator, [(0.0, 0.3)] * 2, threads=2) as loops:
            emulator.reset()
            loops.go()
            ids = [host.start(0.3), host.start(0.3)]
            theirs = loops.result()
            host.until_completed(2, patience=60)
            ends, created = host.ends(ids), emulator.run_starts()
            assert {e.run_id for e in ends.values()} | {r.run_id for r in theirs.runs} == set(created)
            assert all(e.at > created[e.run_id] and e.polls >= 1 for e in ends.values())
            assert theirs.cpu_seconds > 0
            assert 2 <= emulator.connections() <= 4
            assert len(emulator.requests("create_thread_and_run")) == 2
            if Path("/proc/self/stat").exists():
                assert host.cpu() > 0
                assert host.memory() > 0
        (done,) = run_worker(emulator, [Batch(2, 3)])
        assert len(emulator.requests("get_run")) >= 6
        assert done.episodes > done.activities > 2 * 3
