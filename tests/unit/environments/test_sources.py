"""Where packages come from, and what whoever installs them may reach."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from automa.config import EnvironmentSettings
from automa.environments.sources import DEFAULT_INDEX, Sources
from automa.sdk.runs import BuildOrder


def order(**values: Any) -> Any:
    return Sources(EnvironmentSettings.model_validate(values)).order(Path("/step"))


class TestNetwork:
    def test_with_an_index_only_that_and_its_hosts_are_reached(self) -> None:
        made = order(index="https://index.example/simple", hosts=["files.example:443", "index.example:443"])
        assert made.network.mode == "allow"
        assert made.network.allow == ("index.example:443", "files.example:443")
        assert order(index="http://index.example:8080/").network.allow == ("index.example:8080",)
        assert order(index="http://[::1]/simple").network.allow == ("[::1]:80",)

    def test_without_one_only_what_the_installer_uses_by_default_and_what_is_named_are_reached(self) -> None:
        made = order(hosts=["mirror.example:443"])
        assert (made.network.mode, made.index) == ("allow", None)
        assert made.network.allow == (*DEFAULT_INDEX, "mirror.example:443")

    def test_a_step_for_which_nobody_names_hosts_reaches_none(self) -> None:
        assert BuildOrder(Path("/step")).network.mode == "none"


class TestSettings:
    @pytest.mark.parametrize(
        "index",
        ["https://user:word@index.example/simple", "ftp://index.example", "/srv/wheels", "https://", "x"],
    )
    def test_an_index_that_has_a_password_or_is_no_address_is_refused(self, index: str) -> None:
        with pytest.raises(ValidationError, match="without a user name"):
            order(index=index)

    @pytest.mark.parametrize(
        "host", ["index.example", "https://index.example:443", "a b:1", "index.example:"]
    )
    def test_hosts_have_a_port_and_nothing_else(self, host: str) -> None:
        with pytest.raises(ValidationError, match="hosts"):
            order(hosts=[host])
