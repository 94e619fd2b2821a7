"""The reader of templates, on which every check stands."""

from __future__ import annotations

from infra.checks.bicep import Expression, parse

TEMPLATE = """targetScope = 'subscription'

@description('It\\'s a name')
@allowed([
  'a'
  'b'
])
param name string = 'a'

resource plain 'Microsoft.X/y@2025-01-01' = {
  name: '${name}-1'
  tags: union(name, { 'a-b': 'c' })
  properties: {
    count: -3
    on: name == 'a' ? true : false
    nothing: null
  }
}

resource many 'Microsoft.X/y/z@2025-01-01' = [for (item, i) in list: {
  parent: others[i]
  name: item
}]

module maybe 'modules/m.bicep' = if (name == 'a') {
  name: 'maybe'
}

resource old 'Microsoft.X/y@2025-01-01' existing = {
  name: 'old'
}
"""


def test_declarations_are_read() -> None:
    template = parse(TEMPLATE)
    assert template.scope == "subscription"
    assert [(d.kind, d.name) for d in template.declarations] == [
        ("param", "name"),
        ("resource", "plain"),
        ("resource", "many"),
        ("module", "maybe"),
        ("resource", "old"),
    ]
    assert template.errors == ()


def test_decorators_and_defaults_are_read() -> None:
    name = parse(TEMPLATE).of_kind("param")["name"]
    assert name.decorators == {"description": ["It's a name"], "allowed": [["a", "b"]]}
    assert (name.target, name.value, name.line) == ("string", "a", 8)


def test_literals_are_values_and_the_rest_expressions() -> None:
    body = parse(TEMPLATE).of_kind("resource")["plain"].body
    assert body["name"] == Expression("'${name}-1'")
    assert body["properties"] == {
        "count": -3,
        "on": Expression("name == 'a' ? true : false"),
        "nothing": None,
    }


def test_objects_inside_expressions_are_kept() -> None:
    tags = parse(TEMPLATE).of_kind("resource")["plain"].body["tags"]
    assert isinstance(tags, Expression)
    assert {"a-b": "c"} in tags.parts


def test_loops_conditions_and_existing_are_seen() -> None:
    template = parse(TEMPLATE)
    assert template.of_kind("resource")["many"].body["name"] == Expression("item")
    assert template.of_kind("module")["maybe"].condition == "(name == 'a')"
    assert template.of_kind("resource")["old"].existing


def test_names_leave_out_loop_variables_keys_and_functions() -> None:
    assert {use.name for use in parse(TEMPLATE).names} == {"name", "list", "others"}
    assert {use.name for use in parse(TEMPLATE).functions} == {"description", "allowed", "union"}


def test_what_cannot_be_read_is_an_error() -> None:
    assert parse("param 1 = {").errors
