"""Where keys are kept when nobody says where: below the user's own folders (XDG)."""

import os
from pathlib import Path

from models.errors import SettingsError
from stream.settings import PREFIX, Settings

OURS = "chainbrake"


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
