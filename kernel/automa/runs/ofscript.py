"""What becomes of a script's runs when the script is deleted: the catalog's `RunsOfScript`."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession

from automa.audit.change import Change
from automa.runs import repository
from automa.runs.sweep import RunFolders


class RunsOfScripts:
    """Keeps them without their script, or removes their rows; `RunFolders` then frees the disk."""

    def __init__(self, folders: RunFolders, look_again: Callable[[], None] = lambda: None) -> None:
        self._folders = folders
        self._look_again = look_again

    def limit_changed(self) -> None:
        """Runs that a script's limit held back may start now."""
        self._look_again()

    async def unfinished(self, session: AsyncSession, script_id: str) -> int:
        return await repository.unfinished_of_script(session, script_id)

    async def detach(self, change: Change, script_id: str) -> None:
        """Keep the runs without the script."""
        await repository.detach_from_script(change.session, script_id)

    async def forget(self, change: Change, script_id: str) -> None:
        """Remove the runs with all that belongs to them."""
        run_ids = await repository.ids_of_script(change.session, script_id)
        await repository.remove_of_script(change.session, script_id)
        change.audit("run.delete_all", "script", script_id, runs=len(run_ids))
        # Looked at after the commit: a folder goes only once its row is gone for good.
        self._folders.suspect(run_ids)
