"""The hooks of loaded plugins, on pluggy: who implements what, and whether they may."""

from collections.abc import Iterator
from inspect import iscoroutinefunction
from typing import Any

import pluggy

from automa.sdk import hookspecs
from automa.sdk.errors import PluginFailed


class Hooks:
    """The plugins whose hooks are called, and their implementations in the order in which they are asked."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)

    def admit(self, name: str, hooks: Any) -> tuple[str, ...]:
        """Take a plugin in, whole or not at all, and return the hooks it implements. Raises PluginFailed."""
        try:
            self._manager.register(hooks, name=name)
            self._manager.check_pending()
            return tuple(self._checked(name))
        except BaseException as error:
            self.dismiss(name)
            if isinstance(error, pluggy.PluginValidationError):
                raise PluginFailed(_plainly(error)) from error
            raise

    def dismiss(self, name: str) -> None:
        """Call it no more."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def implementations(self, hook: str) -> list[pluggy.HookImpl]:
        """In pluggy's own order: `tryfirst`, then the latest, `trylast` at the end."""
        return list(reversed(getattr(self._manager.hook, hook).get_hookimpls()))

    def _checked(self, name: str) -> Iterator[str]:
        plugin = self._manager.get_plugin(name)
        for caller in self._manager.get_hookcallers(plugin) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    _check(caller.name, implementation)
            yield caller.name


def _check(hook: str, implementation: pluggy.HookImpl) -> None:
    if implementation.hookwrapper or implementation.wrapper:
        raise PluginFailed(f"{hook}: a hook cannot be wrapped here")
    is_async = iscoroutinefunction(implementation.function)
    if hook.startswith("register_") and is_async:
        raise PluginFailed(f"{hook} must be a plain function, not `async def`")
    if not hook.startswith("register_") and not is_async:
        raise PluginFailed(f"{hook} must be `async def`")


def _plainly(error: pluggy.PluginValidationError) -> str:
    """Pluggy's message without the plugin's representation, which may be a page long."""
    text = str(error)
    if text.startswith("unknown hook"):
        return f"there is no hook named {text.split(chr(39))[1]}"
    return " ".join(line.strip() for line in text.splitlines() if not line.startswith("Plugin "))[:500]
