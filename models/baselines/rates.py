"""How often a session does each class of operation: decayed counts at several horizons.

A count decays by e in one horizon, so a steady rate r (per ms) settles at r x horizon: it reads as
"operations in about the last horizon". It needs no ring, and since decay multiplies, the order of arrival
does not matter: a late event adds what would be left of it by now.
"""

from math import exp

HORIZONS_MS = (10_000, 60_000, 600_000)


def count(cells: dict[str, list[float]], op_class: str, at_ms: int) -> list[float]:
    """Count one operation; returns its cell: newest time (ms), then the count at each horizon."""
    cell = cells.get(op_class)
    if cell is None:
        cell = cells[op_class] = [at_ms, 1.0, 1.0, 1.0]
        return cell
    elapsed_ms = at_ms - cell[0]
    if elapsed_ms >= 0:
        cell[0] = at_ms
        cell[1] = cell[1] * exp(elapsed_ms / -10_000) + 1.0
        cell[2] = cell[2] * exp(elapsed_ms / -60_000) + 1.0
        cell[3] = cell[3] * exp(elapsed_ms / -600_000) + 1.0
    else:
        cell[1] += exp(elapsed_ms / 10_000)
        cell[2] += exp(elapsed_ms / 60_000)
        cell[3] += exp(elapsed_ms / 600_000)
    return cell
