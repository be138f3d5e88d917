"""Where packages come from, and what whoever installs them may reach."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from automa.config import EnvironmentSettings
from automa.environments.sources import Sources
from automa.sdk.runs import BuildOrder
from support.packages import FakeBuilder


async def order(**values: Any) -> Any:
    sources, builder = Sources(EnvironmentSettings.model_validate(values)), FakeBuilder()
    return sources.order(Path("/step"), await sources.index(builder))


class TestNetwork:
    async def test_with_an_index_only_that_and_its_hosts_are_reached(self) -> None:
        made = await order(
            index="https://index.example/simple", hosts=["files.example:443", "index.example:443"]
        )
        assert made.network.mode == "allow"
        assert made.network.allow == ("index.example:443", "files.example:443")
        plain, numbered = (
            await order(index="http://i.example:8080/"),
            await order(index="http://[::1]/simple"),
        )
        assert (plain.network.allow, numbered.network.allow) == (("i.example:8080",), ("[::1]:80",))

    async def test_without_one_it_is_the_installer_s_own_and_what_is_named(self) -> None:
        made = await order(hosts=["mirror.example:443"])
        assert (made.network.mode, made.index) == ("allow", "https://index.example/simple")
        assert made.network.allow == ("index.example:443", "mirror.example:443")

    async def test_where_an_index_is_known_to_keep_its_files_elsewhere_that_is_reached_too(self) -> None:
        made = await order(index="https://pypi.org/simple")
        assert made.network.allow == ("pypi.org:443", "files.pythonhosted.org:443")

    def test_a_step_for_which_nobody_names_hosts_reaches_none(self) -> None:
        assert BuildOrder(Path("/step")).network.mode == "none"


class TestSettings:
    @pytest.mark.parametrize(
        "index",
        ["https://user:word@index.example/simple", "ftp://index.example", "/srv/wheels", "https://", "x"],
    )
    async def test_an_index_that_has_a_password_or_is_no_address_is_refused(self, index: str) -> None:
        with pytest.raises(ValidationError, match="without a user name"):
            await order(index=index)

    @pytest.mark.parametrize(
        "host", ["index.example", "https://index.example:443", "a b:1", "index.example:"]
    )
    async def test_hosts_have_a_port_and_nothing_else(self, host: str) -> None:
        with pytest.raises(ValidationError, match="hosts"):
            await order(hosts=[host])
