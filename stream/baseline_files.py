"""Baselines as files: every command that takes one reads it here, and nothing unsigned gets past."""

from pathlib import Path

from models.baselines.baseline import Baseline, read_artifact
from models.errors import ArtifactError
from stream.keys import trusted_keys
from stream.settings import Settings


def load_baseline(settings: Settings) -> Baseline | None:
    """The baseline at the path that is set; None for an empty one.

    Raises `ArtifactError` for one that cannot be trusted, `SigningError` for keys that are wrong.
    """
    if not settings.baseline:
        return None
    path = Path(settings.baseline)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error
    return read_artifact(content, path, trusted_keys(settings))
