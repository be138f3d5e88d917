"""What a sandbox is given for the permissions of a run."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from automa.catalog.permissions import NOTHING, Permissions
from automa.config import OfferedPath, RunSettings
from automa.errors import SandboxFailed
from automa.runs.grants import NO_GRANTS, Grants
from automa.sdk.runs import Mount, Network


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


def offered(path: Path, mode: str = "read") -> OfferedPath:
    return OfferedPath.model_validate({"path": path, "mode": mode})


def test_the_network_of_a_sandbox_is_what_the_permissions_say() -> None:
    assert NO_GRANTS.network(NOTHING) == Network("none")
    assert NO_GRANTS.network(Permissions(network=("a:1",))) == Network("allow", ("a:1",))
    assert NO_GRANTS.network(Permissions(network=True)) == Network("host")


def test_names_may_lead_to_the_private_networks_that_the_settings_open() -> None:
    grants = Grants(
        {}, private_networks=RunSettings(private_networks=["10.0.0.0/8", "fd00::/8"]).private_networks
    )
    assert grants.network(Permissions(network=("a:1",))).allow_private == ("10.0.0.0/8", "fd00::/8")
    assert grants.network(NOTHING) == Network("none")
    with pytest.raises(ValidationError, match="private_networks"):
        RunSettings(private_networks=["10.0.0.1/8"])


class TestMounts:
    def test_a_path_is_found_below_data(self, reports: Path) -> None:
        grants = Grants({"in": offered(reports), "out": offered(reports.parent / "o", "write")})
        assert grants.mounts(Permissions(paths={"in": "read"})) == (Mount(reports, "/data/in"),)
        (reports.parent / "o").mkdir()
        assert grants.mounts(Permissions(paths={"out": "write"})) == (
            Mount(reports.parent / "o", "/data/out", writable=True),
        )

    def test_what_is_offered_for_writing_may_be_asked_for_to_read(self, reports: Path) -> None:
        (mount,) = Grants({"in": offered(reports, "write")}).mounts(Permissions(paths={"in": "read"}))
        assert not mount.writable

    def test_what_is_offered_no_more_is_not_given(self, reports: Path) -> None:
        for grants in (Grants({}), Grants({"in": offered(reports)})):
            with pytest.raises(SandboxFailed, match="do not offer the path in to write any more"):
                grants.mounts(Permissions(paths={"in": "write"}))

    def test_what_is_not_there_is_told(self, reports: Path) -> None:
        with pytest.raises(SandboxFailed, match="No such file"):
            Grants({"in": offered(reports / "gone")}).mounts(Permissions(paths={"in": "read"}))

    @pytest.mark.parametrize("below", [".", "..", "inner"])
    def test_automas_own_files_are_never_given(self, reports: Path, below: str) -> None:
        (reports / "inner").mkdir()
        link = reports.parent / "link"
        link.symlink_to(reports / below)
        with pytest.raises(SandboxFailed, match="Automa's own files"):
            Grants({"in": offered(link)}, home=reports).mounts(Permissions(paths={"in": "read"}))

    def test_a_path_that_a_script_could_have_changed_is_not_given(self, reports: Path) -> None:
        """A script that writes to `out` could have put a link in the place of `in`."""
        (reports / "in").mkdir()
        grants = Grants({"in": offered(reports / "in"), "out": offered(reports, "write")})
        with pytest.raises(SandboxFailed, match="scripts may write to it as out"):
            grants.mounts(Permissions(paths={"in": "read"}))
