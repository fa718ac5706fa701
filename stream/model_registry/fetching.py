"""An announced baseline, fetched and checked."""

from hashlib import sha256
from pathlib import Path

from models.baselines.baseline import Baseline, read_artifact
from models.errors import ArtifactError
from stream.model_registry.announcement import Announcement
from stream.model_registry.places import registry_at
from stream.settings import Settings


def fetch(announcement: Announcement, settings: Settings) -> Baseline:
    """The baseline of an announcement that names one, from this deployment's own registry; blocks.

    What is announced never chooses where a worker reads. Raises `ArtifactError` for a file that is not the
    announced one or cannot be trusted, `InputError` for a registry that cannot be read.
    """
    assert announcement.version is not None
    registry = registry_at(settings)
    where = f"{registry.url}/{announcement.name}"
    try:
        content = registry.read(announcement.name)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{where}: there is no {announcement.version}; it was announced from {announcement.registry}. "
            f"Is that this deployment's registry? It is set with CHAINBRAKE_MODELS"
        ) from error
    if sha256(content).hexdigest() != announcement.sha256:
        raise ArtifactError(f"{where}: not the file that was announced as {announcement.version}")
    baseline = read_artifact(content, Path(where))
    if baseline.version != announcement.version:
        raise ArtifactError(f"{where}: holds {baseline.version}, announced was {announcement.version}")
    return baseline
