"""The rows of the dashboard in their order; what comes in raw has its row here."""

from grafana.health import HEALTH
from grafana.learned import LEARNED
from grafana.panels import SIGHT, SPEED, STOPPING, Panel, Query, Row, per_s, series, summed

INGEST = Row(
    "What comes in raw",
    (
        Panel(
            title="Records by source and result",
            description="Of the raw topics. Unreadable ones are dead letters: has a provider changed its "
            "format? Unclassified: names that the vocabulary of the source lacks. Late: more than five "
            "minutes after they happened, judged all the same.",
            queries=(Query(per_s("records_total", "source, result"), "{{source}} {{result}}"),),
            unit="cps",
            width=12,
        ),
        Panel(
            title="Silent sources",
            description="Since a source that has talked was last heard. What happens there is not seen: is "
            "the forwarder down, the subscription gone, or did an agent stop the trail? Alert: SourceSilent.",
            queries=(Query(f"max by (source) ({series('source_silent_seconds')})", "{{source}}"),),
            unit="s",
            width=12,
            warn=900,
        ),
        Panel(
            title="Provisional and joined",
            description="Events under a provider's own name for the caller (people and service accounts "
            "among them), and those that were sent again under their true session. Agents in the first, and "
            "nothing joined: a source lacks its link, such as the gateway's own session starts.",
            queries=(
                Query(per_s("provisional_total"), "provisional"),
                Query(per_s("joined_total"), "joined"),
            ),
            unit="cps",
            width=12,
        ),
        Panel(
            title="Events that wait for a link",
            description="Kept for a quarter of an hour in case their true session becomes known; at most "
            "50,000, then the oldest stays where it is.",
            queries=(Query(summed(series("waiting_events")), "waiting"),),
            width=12,
            warn=40_000,
        ),
    ),
)

ROWS = (STOPPING, SPEED, SIGHT, INGEST, LEARNED, HEALTH)
