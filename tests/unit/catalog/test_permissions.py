"""What goes beyond the defaults, what covers what, and how two sets differ."""

from dataclasses import replace

import pytest
from hypothesis import given

from automa.catalog.permissions import (
    NOTHING,
    PermissionChange,
    Permissions,
    differences,
    in_words,
)
from automa.sdk.runs import Limits
from support.permissions import permissions

DEFAULTS = Limits()


class TestBeyond:
    def test_secrets_and_lower_limits_are_anybodys_to_grant(self) -> None:
        asked = Permissions(secrets=("A",), limits={"cpus": 0.5, "timeout_s": 3600.0})
        assert asked.beyond(DEFAULTS) == NOTHING

    @pytest.mark.parametrize(
        "asked",
        [
            Permissions(network=True),
            Permissions(network=("a:1",)),
            Permissions(paths={"a": "read"}),
            Permissions(limits={"memory_bytes": DEFAULTS.memory_bytes + 1}),
        ],
    )
    def test_network_paths_and_higher_limits_are_not(self, asked: Permissions) -> None:
        assert asked.beyond(DEFAULTS) == asked

    def test_what_has_no_default_limit_cannot_be_over_it(self) -> None:
        assert Permissions(limits={"cpu_time_s": 9e9}).beyond(DEFAULTS) == NOTHING


class TestCovers:
    @given(permissions, permissions)
    def test_what_covers_loses_nothing_by_it(self, one: Permissions, other: Permissions) -> None:
        assert one.covers(one)
        assert one.covers(NOTHING)
        if one.covers(other):
            added = [
                change
                for change in differences(one, other)
                if change.change == "added" or (change.new or 0, change.permission) == ("write", "paths")
            ]
            assert not added or one.network is True

    def test_the_whole_network_covers_any_host_and_no_list_covers_the_whole(self) -> None:
        whole, listed = Permissions(network=True), Permissions(network=("a:1", "b:2"))
        assert whole.covers(listed)
        assert not listed.covers(whole)
        assert listed.covers(Permissions(network=("a:1",)))
        assert not Permissions(network=("*.a.org:1",)).covers(Permissions(network=("x.a.org:1",)))

    def test_writing_covers_reading_and_not_the_other_way_round(self) -> None:
        read, write = Permissions(paths={"a": "read"}), Permissions(paths={"a": "write"})
        assert write.covers(read)
        assert not read.covers(write)

    def test_a_limit_covers_lower_ones(self) -> None:
        high, low = Permissions(limits={"cpus": 4}), Permissions(limits={"cpus": 2})
        assert high.covers(low)
        assert not low.covers(high)
        assert not low.covers(Permissions(limits={"processes": 1}))


class TestLimitsInForce:
    def test_declared_limits_replace_the_defaults(self) -> None:
        asked = Permissions(limits={"cpus": 0.5})
        assert asked.limits_in_force(NOTHING, DEFAULTS) == replace(DEFAULTS, cpus=0.5)

    def test_higher_ones_count_only_where_approved(self) -> None:
        asked = Permissions(limits={"cpus": 8, "processes": 9999})
        assert asked.limits_in_force(NOTHING, DEFAULTS) == DEFAULTS
        approved = Permissions(limits={"cpus": 8})
        assert asked.limits_in_force(approved, DEFAULTS) == replace(DEFAULTS, cpus=8)


class TestDifferences:
    def test_each_thing_is_told_by_itself(self) -> None:
        old = Permissions(("a:1", "b:1"), ("A",), {"x": "read", "y": "read"}, {"cpus": 2})
        new = Permissions(("b:1", "c:1"), (), {"x": "write", "y": "read"}, {"cpus": 4, "processes": 5})
        assert differences(old, new) == [
            PermissionChange("network", "a:1", "removed"),
            PermissionChange("network", "c:1", "added"),
            PermissionChange("secrets", "A", "removed"),
            PermissionChange("paths", "x", "changed", "read", "write"),
            PermissionChange("limits", "cpus", "changed", 2, 4),
            PermissionChange("limits", "processes", "added", new=5),
        ]

    def test_the_whole_network_is_a_star(self) -> None:
        assert differences(NOTHING, Permissions(network=True)) == [PermissionChange("network", "*", "added")]

    @given(permissions, permissions)
    def test_the_same_have_none_and_others_have_some(self, one: Permissions, other: Permissions) -> None:
        assert differences(one, one) == []
        assert bool(differences(one, other)) is (one != other)


class TestJson:
    @given(permissions)
    def test_it_comes_back_as_it_was(self, one: Permissions) -> None:
        assert Permissions.from_json(one.to_json()) == one
        assert Permissions.from_json(one.to_json()).digest == one.digest

    def test_what_was_saved_before_there_were_permissions_has_none(self) -> None:
        assert Permissions.from_json(None) == NOTHING


def test_permissions_can_be_told_to_people() -> None:
    asked = Permissions(("a:1", "b:2"), ("KEY",), {"x": "write"}, {"cpus": 4})
    assert in_words(asked) == ["network: a:1, b:2", "path x: write", "cpus: 4", "secrets: KEY"]
    assert in_words(Permissions(network=True)) == ["network: whatever this machine can reach"]
    assert in_words(NOTHING) == []
