"""Where baselines and keys are kept when nobody says where: below the user's own folders (XDG)."""

import os
from pathlib import Path

from models.errors import SettingsError
from stream.model_registry.objects import Objects
from stream.settings import PREFIX, Settings

OURS = "chainbrake"


def registry_url(settings: Settings) -> str:
    """Of the registry of baselines: what is set, or a folder of the user's."""
    return settings.models or str(_home("XDG_DATA_HOME", ".local/share", "models") / "models")


def registry_at(settings: Settings) -> Objects:
    """The registry's files. Raises `ModelRegistryError` for an address that nothing here can open."""
    return Objects(registry_url(settings))


def keys_folder(settings: Settings) -> Path:
    """Where this machine's development key lies."""
    return Path(settings.keys) if settings.keys else _home("XDG_CONFIG_HOME", ".config", "keys") / "keys"


def _home(variable: str, below_home: str, setting: str) -> Path:
    """A folder of ours. A relative one in the variable is to be passed over, says XDG."""
    told = os.environ.get(variable, "")
    if told.startswith("/"):
        return Path(told) / OURS
    try:
        return Path.home() / below_home / OURS
    except RuntimeError as error:
        raise SettingsError(
            f"this user has no home folder: set {PREFIX}{setting.upper()} or {variable}"
        ) from error
