"""Permissions of any kind, for properties that hold for all of them."""

from hypothesis import strategies as st

from automa.catalog.permissions import Permissions

names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
networks = st.one_of(
    st.booleans(),
    st.sets(st.builds(lambda name, port: f"{name}.org:{port}", names, st.integers(1, 65535)), max_size=5),
)
permissions = st.builds(
    lambda network, secrets, paths, limits: Permissions(
        network if isinstance(network, bool) else tuple(sorted(network)) or False,
        tuple(sorted(secrets)),
        paths,
        limits,
    ),
    networks,
    st.sets(names, max_size=4),
    st.dictionaries(names, st.sampled_from(["read", "write"]), max_size=4),
    st.fixed_dictionaries(
        {}, optional={"cpus": st.floats(0.01, 64), "memory_bytes": st.integers(2**24, 2**40)}
    ),
)  # fmt: skip
