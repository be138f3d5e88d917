"""Scopes and roles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automa.auth.caller import Caller
from automa.auth.scopes import ALL, ROLE_SCOPES, SCOPES, covers, intersect, is_known
from automa.errors import Forbidden, NotFound
from automa.sdk.actors import Actor

some_scopes = st.frozensets(
    st.sampled_from([ALL, "runs:*", "scripts:*", "runs:read", "runs:create", "scripts:read"])
)


def caller(role: str, scopes: frozenset[str] | None = None) -> Caller:
    return Caller(Actor("user", "ada"), "ada", role, ROLE_SCOPES[role] if scopes is None else scopes)


class TestCovering:
    @pytest.mark.parametrize(
        ("granted", "scope", "covered"),
        [
            ({"runs:read"}, "runs:read", True),
            ({"runs:read"}, "runs:create", False),
            ({"runs:*"}, "runs:create", True),
            ({"runs:*"}, "runs:*", True),
            ({"runs:read"}, "runs:*", False),
            ({"runs:*"}, "runsx:read", False),
            ({ALL}, "anything:at-all", True),
            ({"runs:*", "users:*"}, ALL, False),
            (set(), "runs:read", False),
        ],
    )
    def test_wildcards_cover_their_domain(self, granted, scope, covered):
        assert covers(granted, scope) is covered

    @given(
        some_scopes, some_scopes, st.sampled_from(["runs:read", "runs:create", "scripts:read", "users:read"])
    )
    def test_what_two_sets_share_is_what_both_cover(self, one, other, scope):
        assert covers(intersect(one, other), scope) == (covers(one, scope) and covers(other, scope))


class TestRoles:
    def test_every_scope_of_a_role_exists(self):
        assert all(is_known(scope) for scopes in ROLE_SCOPES.values() for scope in scopes)
        assert not is_known("runs:fly")
        assert not is_known("nothing:*")

    def test_an_admin_may_everything_and_a_viewer_changes_nothing(self):
        assert all(caller("admin").may(scope) for scope in SCOPES)
        assert all(scope.endswith(":read") for scope in SCOPES if caller("viewer").may(scope))

    def test_a_missing_scope_is_forbidden_by_name(self):
        with pytest.raises(Forbidden, match="users:write"):
            caller("user").require("users:write")

    def test_a_foreign_thing_is_not_found_by_users_alone(self):
        with pytest.raises(NotFound, match="no run"):
            caller("user").require_sight("bob", "run")
        caller("user").require_sight("ada")
        caller("viewer").require_sight("bob")
        caller("admin").require_sight(None)
