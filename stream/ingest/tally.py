"""The pipeline's counts as metrics: the pipeline only counts, this tells the difference."""

from collections import Counter

from stream import metrics
from stream.ingest.pipeline import Pipeline


class IngestMetrics:
    """Of one worker; the counts begin anew with each claim, the metrics go on."""

    def __init__(self) -> None:
        self._pipeline: Pipeline | None = None
        self._before: Counter[tuple[str, str]] = Counter()
        self._resolved = (0, 0)

    def begin(self, pipeline: Pipeline) -> None:
        """From now on it is this worker that resolves."""
        self._pipeline = pipeline
        self._before = Counter()
        self._resolved = (0, 0)

    def end(self) -> None:
        """Somebody else does: what this one has not heard says nothing."""
        self._pipeline = None
        metrics.WAITING.set(0)
        metrics.SOURCE_SILENT.clear()

    def publish(self, now_ms: int) -> None:
        """What was counted since the last time, and how long each source has been silent."""
        pipeline = self._pipeline
        if pipeline is None:
            return
        now = counted(pipeline)
        for (source, result), count in (now - self._before).items():
            metrics.RECORDS.labels(source, result).inc(count)
        self._before = now
        provisional, joined = self._resolved
        resolved = pipeline.resolver.counted
        metrics.PROVISIONAL.inc(resolved.provisional - provisional)
        metrics.JOINED.inc(resolved.joined - joined)
        self._resolved = (resolved.provisional, resolved.joined)
        metrics.WAITING.set(len(pipeline.resolver.waiting))
        for source, heard_ms in pipeline.heard_ms.items():
            metrics.SOURCE_SILENT.labels(source).set(max(0, now_ms - heard_ms) / 1000)


def counted(pipeline: Pipeline) -> Counter[tuple[str, str]]:
    """Source and result: records, and events among them that were late or that no vocabulary knows."""
    counts = Counter(pipeline.results)
    counts.update({(source, "late"): count for source, count in pipeline.late.items()})
    counts.update({(source, "unclassified"): count for source, count in pipeline.unclassified.items()})
    return counts
