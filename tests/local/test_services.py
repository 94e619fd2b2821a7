import json

import pytest

from local import services
from local.services import configured_endpoint

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
