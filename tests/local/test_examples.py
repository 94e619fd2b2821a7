"""What the lines look like; `tests/e2e/test_commands.py` runs them."""

from local.examples import HISTORY, SLOW, TOOL, examples

URL = "http://127.0.0.1:7071"


def lines(agents, key=None):
    return [line for _, block in examples(URL, agents, key) for line in block]


def test_a_projects_agents_are_used_where_the_emulators_are_not_there():
    printed = lines(["asst_b", "asst_a"])
    assert sum("asst_b" in line for line in printed) == 2
    assert not [line for line in printed if "asst_a" in line or HISTORY in line or SLOW in line or TOOL in line]
    assert len(printed) == 5


def test_the_emulators_agents_show_their_behaviour_wherever_they_are_in_the_list():
    printed = "\n".join(lines(["asst_other", TOOL, SLOW, HISTORY]))
    assert all(agent in printed for agent in (TOOL, SLOW, HISTORY))
    assert "asst_other" not in printed


def test_every_call_carries_the_key_where_one_is_asked_for():
    for line in lines([HISTORY, SLOW, TOOL], "k-e_y"):
        assert line.count("curl -s ") == line.count("curl -s -H 'x-functions-key: k-e_y' ") == 1
    assert "x-functions-key" not in "".join(lines([HISTORY]))


def test_without_agents_the_lines_say_why():
    assert lines([]) == [f"curl -s {URL}/api/agents", f"curl -s {URL}/api/health/ready"]
