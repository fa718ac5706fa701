"""The row of what is learned: which baselines are at work, whether they still fit, what another would do."""

from grafana.panels import Panel, Query, Row, per_min, per_s, series, summed

LEARNED = Row(
    "Does what was learned still fit",
    (
        Panel(
            title="Baselines at work",
            description="By slot and number of workers. None in live: what is learned says nothing. Two "
            "versions in one slot for long: a worker could not put the announced one to work. Alert: "
            "BaselineBehind.",
            queries=(Query(f"count by (slot, model) ({series('baseline_info')})", "{{slot}}: {{model}}"),),
            kind="stat",
            width=12,
            names=True,
        ),
        Panel(
            title="Not what was announced",
            description="Slots of workers whose baseline is not the one that was announced: it cannot be "
            "fetched, or is not trusted. What ran before runs on; the worker's log says why. Alert: "
            "BaselineBehind.",
            queries=(Query(summed(series("baseline_behind"), "instance, slot"), "{{instance}} {{slot}}"),),
            width=6,
            bad=1,
        ),
        Panel(
            title="Changes of baseline",
            description="Announced baselines that were put to work, and those that were refused, or that the "
            "registry did not answer for; these are tried again, after 5 s at first and at most every 80 s.",
            queries=(Query(per_min("baseline_changes_total", "slot, result"), "{{slot}} {{result}}"),),
            unit="cpm",
            width=6,
        ),
        Panel(
            title="Parts of a baseline that cannot be read",
            description="Cohorts and limits that were asked for and have the wrong shape, although whoever "
            "signed the file vouched for it: they count as never seen, and their jobs are judged by what is "
            "broader. Train it again with the build that runs here.",
            queries=(Query(series("baseline_unreadable_parts"), "{{instance}} {{slot}}"),),
            width=24,
            bad=1,
        ),
        Panel(
            title="Drift",
            description="How far the last sessions are from those that were learned from (population "
            "stability index), by surprise and by pace. Below 0.1 is stable; above 0.25 train again. A gap: "
            "fewer than 200 sessions have ended yet. Alert: BaselineDrifted.",
            queries=(Query(f"max by (slot, of) ({series('drift_index')} >= 0)", "{{slot}} {{of}}"),),
            width=8,
            warn=0.1,
            bad=0.25,
        ),
        Panel(
            title="Sessions over their limit, beyond the promise",
            description="Share of the last sessions that exceeded a limit, less the share that the policy's "
            "budget allows: of surprise alone, and of all calibrated scores together (shape, pace and "
            "approvals, too). Well above 0: honest agents have changed, or an attack is under way. Alert: "
            "BaselineMiscalibrated.",
            queries=(Query(f"max by (slot, of) ({series('calibration_error')} >= -1)", "{{slot}} {{of}}"),),
            unit="percentunit",
            width=8,
            warn=0.01,
            bad=0.02,
        ),
        Panel(
            title="Sessions that drift is told from",
            description="The last 1,000 of each worker that ended and that the baseline knows; below 200 "
            "the two panels beside this one say nothing.",
            queries=(Query(series("drift_sessions"), "{{instance}} {{slot}}"),),
            width=8,
        ),
        Panel(
            title="Verdicts of live and shadow",
            description="What a shadow baseline would have ordered, beside what was ordered. Only live: the "
            "shadow would have missed it. Only shadow: it would have been new. The log names the sessions. "
            "Promote it when both lines are explained: chainbrake models promote shadow.",
            queries=(Query(per_min("shadow_verdicts_total", "action, told"), "{{action}} {{told}}"),),
            unit="cpm",
            width=12,
        ),
        Panel(
            title="Findings of the shadow",
            description="By detector; compare with the live findings above. Only workflows that the shadow "
            "follows (CHAINBRAKE_SHADOW_SHARE) are counted.",
            queries=(Query(per_min("shadow_findings_total", "detector"), "{{detector}}"),),
            unit="cpm",
            width=6,
        ),
        Panel(
            title="Events that the shadow judges",
            description="None: nothing is announced as shadow. Each costs as much as judging it once more. "
            "Workflows dropped: more are active than CHAINBRAKE_WORKFLOWS_MAX; see CHAINBRAKE_SHADOW_SHARE.",
            queries=(
                Query(per_s("shadow_events_total"), "judged beside"),
                Query(per_s("shadow_dropped_total"), "workflows dropped"),
            ),
            unit="cps",
            width=6,
        ),
    ),
)
