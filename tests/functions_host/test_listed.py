"""A list of instances, whose rows are not read and written again."""

from __future__ import annotations

import json

import pytest

from local.functions_host import protocol
from local.functions_host.status import listed, status_document
from local.functions_host.store import Instance

NOTHING = '"customStatus":null,"output":null'
VALUES = [None, "null", '""', "{}", "12.5", protocol.dumps({"a": NOTHING, "ü": ["\u2028", 1e300, True, None]})]


def instance(**fields: object) -> Instance:
    given = {"instance_id": "one", "execution_id": "e", "name": "agent_run", "version": "1.0", "input": '{"a": 1}'}
    given |= {"status": "Completed", "custom_status": None, "output": None, "created": 1.5, "updated": 2.5}
    return Instance(**{**given, **fields})  # type: ignore[arg-type]


ROWS = [
    *(instance(custom_status=custom, output=output) for custom in VALUES for output in VALUES),
    *(instance(input=value) for value in (None, "no JSON", protocol.dumps(NOTHING), "{" + NOTHING + "}")),
    instance(name=NOTHING, instance_id=NOTHING, version=None, parent_id=NOTHING),
    instance(version=NOTHING),
    instance(input="{" + NOTHING + "}", custom_status="{}", output='"done"'),
]


@pytest.mark.parametrize("show_input", [True, False])
@pytest.mark.parametrize("row", ROWS)
def test_a_listed_row_is_its_status_document(row: Instance, show_input: bool) -> None:
    assert listed([row], show_input=show_input) == protocol.dumps([status_document(row, show_input=show_input)])


def test_rows_stand_in_a_list_and_no_rows_are_an_empty_one() -> None:
    assert json.loads(listed(ROWS)) == [status_document(row) for row in ROWS]
    assert listed([]) == "[]"
