"""The dashboard, as code: `python -m grafana.build` writes `dashboards/chainbrake.json` from `panels.py`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grafana.panels import Panel, Row
from grafana.rows import ROWS

DASHBOARD = Path(__file__).parent / "dashboards" / "chainbrake.json"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SOURCE_UID = "prometheus"
"""The data source that `provisioning/` makes: what the dashboard opens with."""

COLUMNS = 24
HEIGHTS = {"stat": 4, "timeseries": 7, "state-timeline": 7}


def dashboard() -> dict[str, Any]:
    """What Grafana reads."""
    return {
        "uid": "chainbrake",
        "title": "chainbrake",
        "description": "Whether it stops what it should, how fast, what it sees, and how it is.",
        "tags": ["chainbrake"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": list(_laid_out(ROWS)),
    }


def rendered() -> str:
    """The file, byte for byte."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def _variables() -> list[dict[str, Any]]:
    workers = "label_values(chainbrake_partitions, instance)"
    return [
        {
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "current": {"text": "Prometheus", "value": SOURCE_UID},
        },
        {
            "name": "worker",
            "label": "Worker",
            "type": "query",
            "datasource": SOURCE,
            "definition": workers,
            "query": {"query": workers, "refId": "worker"},
            "refresh": 2,  # whenever the time range changes: workers come and go
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".+",
            "current": {"text": "All", "value": "$__all"},
        },
    ]


def _laid_out(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """Rows and panels with their places: left to right, and on to the next line where one is full."""
    number, top = 0, 0
    for row in rows:
        number += 1
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        top, left, height = top + 1, 0, 0
        for panel in row.panels:
            if left + panel.width > COLUMNS:
                top, left, height = top + height, 0, 0
            number += 1
            height = max(height, HEIGHTS[panel.kind])
            yield _panel(panel, number, {"h": HEIGHTS[panel.kind], "w": panel.width, "x": left, "y": top})
            left += panel.width
        top += height


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    at_once = panel.kind == "stat"
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": place,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "instant": at_once,
                "range": not at_once,
            }
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _field(panel: Panel) -> dict[str, Any]:
    calm = "red" if panel.low_is_bad else "green"
    steps: list[dict[str, Any]] = [{"color": calm, "value": None}]
    if panel.warn is not None:
        steps.append({"color": "green" if panel.low_is_bad else "yellow", "value": panel.warn})
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    field: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        field["color"] = {"mode": "palette-classic"}
        field["custom"] = {
            "fillOpacity": 10,
            "showPoints": "auto",
            "thresholdsStyle": {"mode": "line" if len(steps) > 1 else "off"},
        }
    else:
        field["color"] = {"mode": "thresholds"}
        field["noValue"] = "none" if panel.names else "0"
    if panel.states is not None:
        words = {str(value): {"text": word, "index": value} for value, word in enumerate(panel.states)}
        field["mappings"] = [{"type": "value", "options": words}]
    return field


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {
            "colorMode": "background" if panel.bad is not None or panel.warn is not None else "value",
            "graphMode": "none",
            "justifyMode": "center",
            "textMode": "value_and_name" if panel.names else "value",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        }
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    if panel.kind == "state-timeline":
        return {"showValue": "auto", "mergeValues": True, "rowHeight": 0.9, "legend": legend}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}


if __name__ == "__main__":
    DASHBOARD.write_text(rendered())
