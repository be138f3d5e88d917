"""Roles, and what they may do."""

from reference_pages.words import table


def page() -> str:
    from automa.auth.scopes import ROLE_SCOPES, SCOPES

    scopes = [[f"`{scope}`", text] for scope, text in SCOPES.items()]
    roles = [
        [role, " ".join(f"`{scope}`" for scope in sorted(granted))] for role, granted in ROLE_SCOPES.items()
    ]
    return f"""
# Roles and scopes

What somebody may do is a set of scopes. A role gives its scopes to a user; an API token has its own, and
never more than its owner has at that moment. `domain:*` stands for all scopes of a domain, `*` for all there
are.

{table(["role", "scopes"], roles)}

Administrators and viewers see everybody's scripts and runs, users see their own.

{table(["scope", "what it allows"], scopes)}
"""
