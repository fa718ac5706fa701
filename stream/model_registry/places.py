"""Where the registry of baselines is: where it is set, else below the user's own folders (XDG)."""

import os
from pathlib import Path

from models.errors import SettingsError
from stream.keys import trusted_keys
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry
from stream.settings import PREFIX, Settings

MODELS = Path("chainbrake", "models")


def model_registry(settings: Settings) -> ModelRegistry:
    """The deployment's registry. Raises `ModelRegistryError`, `SigningError`, `SettingsError`."""
    return ModelRegistry(Objects(registry_url(settings)), trusted_keys(settings))


def registry_url(settings: Settings) -> str:
    """What is set, or a folder of the user's. A relative one in XDG's variable is to be passed over."""
    if settings.models:
        return settings.models
    told = os.environ.get("XDG_DATA_HOME", "")
    if told.startswith("/"):
        return str(Path(told) / MODELS)
    try:
        return str(Path.home() / ".local" / "share" / MODELS)
    except RuntimeError as error:
        raise SettingsError(f"this user has no home folder: set {PREFIX}MODELS or XDG_DATA_HOME") from error
