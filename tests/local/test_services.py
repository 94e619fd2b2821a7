import json
import os
import signal

import pytest

from local import services
from local.services import LocalServices, Service, ServiceError, configured_endpoint

URL = "https://a.services.ai.azure.com/api/projects/p"


@pytest.fixture
def settings_file(tmp_path, monkeypatch):
    monkeypatch.setattr(services, "APP_ROOT", tmp_path)
    monkeypatch.delenv("FOUNDRY_PROJECT_ENDPOINT", raising=False)

    def write(content):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "local.settings.json").write_text(text, encoding="utf-8-sig")

    return write


def test_the_project_comes_from_the_environment_or_the_file_as_for_the_host(settings_file, monkeypatch):
    assert configured_endpoint() is None
    settings_file({"Values": {"FOUNDRY_PROJECT_ENDPOINT": URL}})
    assert configured_endpoint() == URL
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", "https://other")
    assert configured_endpoint() == "https://other"
    monkeypatch.setenv("FOUNDRY_PROJECT_ENDPOINT", "")  # set, so the host does not look into the file
    assert configured_endpoint() is None


@pytest.mark.parametrize(
    "content", ["{", "[]", {}, {"Values": []}, {"Values": {"FOUNDRY_PROJECT_ENDPOINT": ""}}, {"Values": {"X": "y"}}]
)
def test_a_file_without_a_project_names_none(settings_file, content):
    settings_file(content)
    assert configured_endpoint() is None


# --- one service ------------------------------------------------------------------------------------------------------


@pytest.fixture
def emulator(monkeypatch):
    monkeypatch.setattr(services, "kill_with_parent", lambda: None)  # what is tested must not need Linux's help
    service = Service("local.foundry_emulator", [], environment={}, quiet=True)
    yield service
    service.stop()


def test_a_service_that_is_stopped_ends_by_itself(emulator):
    emulator.wait_until_ready()
    process = emulator._process
    emulator.stop()
    assert process.returncode == 0
    assert not emulator.is_running()
    emulator.stop()  # twice does no harm


def stopped_by_the_system(service):
    service.wait_until_ready()
    os.kill(service.ready["pid"], signal.SIGSTOP)
    return service._process


def test_a_service_that_does_not_end_is_killed(emulator, monkeypatch):
    process = stopped_by_the_system(emulator)
    monkeypatch.setattr(services, "STOP_SECONDS", 0.05)
    emulator.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_service_is_killed_where_somebody_does_not_want_to_wait(emulator, monkeypatch):
    process = stopped_by_the_system(emulator)
    wait = process.wait

    def interrupted(timeout=None):
        if timeout is not None:
            raise KeyboardInterrupt
        return wait()

    monkeypatch.setattr(process, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        emulator.stop()
    assert process.returncode == -signal.SIGKILL


def test_a_service_that_does_not_start_says_why():
    service = Service("local.foundry_emulator", ["--agents", "gone.json"], environment={}, quiet=True)
    with pytest.raises(ServiceError, match=r"local.foundry_emulator did not start: .*gone\.json: No such file"):
        service.wait_until_ready()
    service.stop()


# --- host and emulator ------------------------------------------------------------------------------------------------


class Fake:
    """Notes what is done with a service."""

    done: list[str]
    broken: str | None

    def __init__(self, module, arguments, *, environment, quiet):
        self.name = module.removeprefix("local.")
        self.environment = dict(environment)
        self.arguments = list(arguments)
        self.ready = {"url": "http://127.0.0.1:7071", "endpoint": URL, "token": "the emulator's"}
        self.done.append(f"start {self.name}")

    def wait_until_ready(self):
        if self.name == self.broken:
            raise ServiceError(self.name)

    def stop(self):
        self.done.append(f"stop {self.name}")


@pytest.fixture
def done(monkeypatch):
    Fake.done, Fake.broken = [], None
    monkeypatch.setattr(services, "Service", Fake)
    return Fake.done


def local(endpoint=None):
    return LocalServices(project_endpoint=endpoint, host_arguments=["--port", "0"], quiet=True)


def test_the_host_is_stopped_before_the_emulator_that_it_still_asks(done):
    with local():
        pass
    assert done == ["start foundry_emulator", "start functions_host", "stop functions_host", "stop foundry_emulator"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_both_are_stopped_whatever_happens(done, error):
    with pytest.raises(error), local():
        raise error
    assert sorted(done[2:]) == ["stop foundry_emulator", "stop functions_host"]


@pytest.mark.parametrize("broken", ["foundry_emulator", "functions_host"])
def test_what_was_started_is_stopped_where_the_rest_does_not_start(done, broken):
    Fake.broken = broken
    with pytest.raises(ServiceError), local():
        pass
    assert done.count(f"start {broken}") == 1
    assert sorted(d.split()[1] for d in done if "start" in d) == sorted(d.split()[1] for d in done if "stop" in d)


def test_a_host_that_is_started_again_has_its_port_and_is_stopped_too(done):
    with local() as both:
        both.restart_host()
        assert both.host.arguments == ["--port", "0", "--port", "7071"]
        assert both.host.environment["FOUNDRY_PROJECT_ENDPOINT"] == URL
    assert done[-3:] == ["stop functions_host", "stop functions_host", "stop foundry_emulator"]


def test_the_host_is_told_of_the_emulator_or_of_the_project(done):
    with local() as both:
        told = {"FOUNDRY_PROJECT_ENDPOINT": URL, "FOUNDRY_ACCESS_TOKEN": "the emulator's"}
        assert both.host.environment == told
    with local("https://real") as host:
        assert host.host.environment == {"FOUNDRY_PROJECT_ENDPOINT": "https://real"}
        assert host.emulator is None
