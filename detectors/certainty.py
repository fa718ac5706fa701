"""How sure a learned finding is: by how few honest sessions go as far.

confidence = at the limit + (where no honest session went so far - at the limit) · (1 - p / budget), with p
the combined p-value of the score that exceeds its limit (`models/baselines/joint.py`): a straight line
between two settings, since p is at most the budget there.
"""

from models.baselines.surprise import Expectation


def certainty(
    expectation: Expectation, score: str, peak: float, share: float, span: tuple[float, float]
) -> tuple[float, str]:
    """The confidence, and what it rests on, in words.

    `span`: the confidence at the limit and far beyond it; it is the first where nothing backs a p-value.
    """
    at_limit, at_most = span
    p_value = expectation.p_value({score: peak}, share)
    if p_value is None:
        return at_limit, ""
    beyond = max(0.0, 1.0 - p_value / share)
    return (
        round(at_limit + max(0.0, at_most - at_limit) * beyond, 4),
        f"; 1 in {1 / p_value:,.0f} honest sessions goes as far",
    )
