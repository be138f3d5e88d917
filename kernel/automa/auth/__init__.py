"""Who may do what: users, sessions, tokens, roles and scopes."""
