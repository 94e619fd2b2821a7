"""Route templates."""

from __future__ import annotations

import pytest

from local.functions_host.routing import RouteError, Router, parse_route


@pytest.mark.parametrize(
    ("template", "path", "found"),
    [
        ("", "", {}),
        ("a", "A", {}),
        ("a/{b}", "a", None),
        ("a/{b?}", "a", {}),
        ("a/{b=x}", "a", {"b": "x"}),
        ("a/{b:int}", "a/12", {"b": "12"}),
        ("a/{b:int}", "a/x", None),
        ("a/{b:guid}", "a/0F8fad5b-d9cb-469f-a165-70867728950e", {"b": "0F8fad5b-d9cb-469f-a165-70867728950e"}),
        ("a/{b:alpha}", "a/x1", None),
        ("a/{b:length(2)}", "a/xy", {"b": "xy"}),
        ("a/{b:minlength(3)}", "a/xy", None),
        ("a/{b:maxlength(2)}", "a/xyz", None),
        ("a/{b:regex(^x+$)}", "a/xx", {"b": "xx"}),
        ("a/{b:bool}", "a/True", {"b": "True"}),
        ("a/{b}.{c}", "a/x.y", {"b": "x", "c": "y"}),
        ("a-{b}", "A-1", {"b": "1"}),
        ("a/{*b}", "a", {"b": ""}),
        ("a/{*b}", "a/x/y", {"b": "x/y"}),
        ("a/{**b}", "a/x", {"b": "x"}),
        ("a/{b}", "a/x%20y%2Fz", {"b": "x y%2Fz"}),
        ("a/{b}/", "a/x", {"b": "x"}),
    ],
)
def test_a_template_matches_or_not(template: str, path: str, found: dict[str, str] | None) -> None:
    matches = Router([(parse_route(template), "target")]).find(path)
    assert (matches[0][1] if matches else None) == found


def test_the_best_route_first() -> None:
    templates = ["{*rest}", "{a}", "{a:int}", "x", "x/{b}"]
    router = Router([(parse_route(t), t) for t in templates])
    assert [target for target, _ in router.find("x")] == ["x", "{a}", "{*rest}"]
    assert [target for target, _ in router.find("5")] == ["{a:int}", "{a}", "{*rest}"]


def test_a_literal_comes_before_an_instance_of_the_same_name() -> None:
    templates = ["runs/{instance_id}", "runs/counts", "runs/{instance_id}/cancel", "runs/cancel", "runs"]
    router = Router([(parse_route(t), t) for t in templates])
    first = {path: router.find(path)[0][0] for path in ("runs", "runs/counts", "RUNS/Counts/", "runs/cancel")}
    assert first == {
        "runs": "runs", "runs/counts": "runs/counts", "RUNS/Counts/": "runs/counts", "runs/cancel": "runs/cancel",
    }  # fmt: skip
    assert [target for target, _ in router.find("runs/counts/cancel")] == ["runs/{instance_id}/cancel"]
    assert "runs/{instance_id}" in [target for target, _ in router.find("runs/cancel")]


@pytest.mark.parametrize("template", ["/a", "a//b", "a/{b", "a/b}", "{a}/{a}", "{*a}/b", "a?", "x{a?}", "{a:color}"])
def test_a_broken_template_is_refused(template: str) -> None:
    with pytest.raises(RouteError, match="route"):
        parse_route(template)
