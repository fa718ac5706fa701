"""Where the registry of baselines is: where it is set, else below the user's own folders (XDG)."""

from pathlib import Path

from stream.configuration.keys import trusted_keys
from stream.configuration.settings import Settings, user_folder
from stream.model_registry.objects import Objects
from stream.model_registry.registry import ModelRegistry

MODELS = Path("chainbrake", "models")


def model_registry(settings: Settings) -> ModelRegistry:
    """The deployment's registry. Raises `ModelRegistryError`, `SigningError`, `SettingsError`."""
    return ModelRegistry(Objects(registry_url(settings)), trusted_keys(settings))


def registry_url(settings: Settings) -> str:
    """What is set, or a folder of the user's."""
    if settings.models:
        return settings.models
    return str(user_folder("XDG_DATA_HOME", ".local/share", "MODELS") / MODELS)
