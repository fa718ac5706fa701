"""The row of the dashboard about the workers themselves, and what they stand on."""

from grafana.panels import Panel, Query, Row, per_min, series, summed

HEALTH = Row(
    "Is it healthy",
    (
        Panel(
            title="Policy, baseline and mode in use",
            description="By number of workers. More than one: a roll-out is under way, or was forgotten. "
            "Alerts: WorkersDisagree, BaselineMissing.",
            queries=(
                Query(
                    f"count by (policy, model, mode, fold) ({series('build_info')})",
                    "{{mode}} · policy {{policy}} · model {{model}} · {{fold}}",
                ),
            ),
            kind="stat",
            width=24,
            names=True,
        ),
        Panel(
            title="Dependencies",
            description="While one is away the worker waits, loses nothing, and stops nobody. Alert: "
            "DependencyAway.",
            queries=(Query(series("dependency_up"), "{{instance}} {{dependency}}"),),
            kind="state-timeline",
            width=12,
            warn=1,
            low_is_bad=True,
            states=("away", "answers"),
        ),
        Panel(
            title="Partitions owned",
            description="Together they must be all of the actions topic. A worker with none is spare. "
            "Alert: NoPartitionsOwned.",
            queries=(Query(series("partitions"), "{{instance}}"),),
            width=6,
        ),
        Panel(
            title="Records behind",
            description="Not judged yet, of the partitions a worker owns. Rising: add a worker, up to one "
            "for each partition. Alerts: LagGrowing, JudgingStalled.",
            queries=(Query(series("lag_records"), "{{instance}}"),),
            width=6,
            warn=1_000,
            bad=100_000,
        ),
        Panel(
            title="Workflows in memory",
            description="Bounded by CHAINBRAKE_WORKFLOWS_MAX for each worker; colder ones are in Redis. At "
            "the bound all the time: more workers, or more memory and a higher bound.",
            queries=(Query(series("workflows"), "{{instance}}"),),
            width=6,
        ),
        Panel(
            title="Memory of the store",
            description="What Redis uses of what it may take. Full, it takes no more state: workers wait, "
            "and nobody is stopped. Alert: StoreFilling.",
            queries=(Query(f"max({series('store_fullness_ratio')})", "in use"),),
            unit="percentunit",
            width=6,
            warn=0.8,
            bad=0.95,
        ),
        Panel(
            title="Messages owed to the broker",
            description="Stored, but not known to be at the broker. Normal for moments; a number that does "
            "not fall says that Kafka takes no writes. Alert: OwedMessagesStuck.",
            queries=(Query(series("owed_messages"), "{{instance}}"),),
            width=6,
            warn=1_000,
        ),
        Panel(
            title="Writes refused by fencing",
            description="Another worker had taken the partition over. Some after a pause or a cut network "
            "are what fencing is for; again and again is not. Alert: FencedRepeatedly.",
            queries=(Query(per_min("fenced_total", "instance"), "{{instance}}"),),
            unit="cpm",
            width=6,
        ),
        Panel(
            title="Records lost, state unreadable",
            description="Removed from the actions topic before they were judged: the worker was down for "
            "longer than records are kept. Counted when a partition is claimed. Alert: "
            "RecordsLost. Stored state unreadable: that workflow begins anew, and its log line names it.",
            queries=(
                Query(summed(series("gap_records_total")), "removed unread"),
                Query(summed(series("state_unreadable_total")), "stored state unreadable"),
            ),
            width=6,
            bad=1,
        ),
        Panel(
            title="Chains over workflows",
            description="Steps noted for all workers, where a chain follows an agent or a principal. Put "
            "off: no answer from the store; told later. Dropped: too many of one chain and one whom it "
            "follows, or too many put off; a match that rests on them is missed.",
            queries=(Query(per_min("notes_total", "result"), "{{result}}"),),
            unit="cpm",
            width=6,
        ),
    ),
)
