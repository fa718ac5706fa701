"""Baselines by path or version: every command that takes one reads it here, and nothing unsigned passes."""

from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import ArtifactError
from stream.configuration.settings import Settings

if TYPE_CHECKING:
    from models.baselines.baseline import Baseline


def load_baseline(settings: Settings) -> "Baseline | None":
    """The baseline at the path that is set, or that one of the registry; None for an empty path.

    `live`, `shadow` and `baseline@` with a version's first digits are of the registry, unless a file is
    called so. Raises `ArtifactError` for one that cannot be trusted, `SigningError` for keys that are wrong,
    `ModelRegistryError` for one that is not in the registry.
    """
    told = settings.baseline
    if not told:
        return None
    from models.baselines.baseline import read_artifact  # noqa: PLC0415 - start-up time of whoever has none
    from stream.configuration.keys import trusted_keys  # noqa: PLC0415
    from stream.model_registry.announcement import Slot  # noqa: PLC0415
    from stream.model_registry.places import model_registry  # noqa: PLC0415
    from stream.model_registry.registry import PREFIX  # noqa: PLC0415

    path = Path(told)
    if (told in tuple(Slot) or told.startswith(PREFIX)) and not path.exists():
        registry = model_registry(settings)
        return registry.read(registry.find(told)).baseline
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{told}: {error.strerror}") from error
    return read_artifact(content, path, trusted_keys(settings))
