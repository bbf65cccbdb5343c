"""What is said of points, values and trials."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ferboost.tuning.dimensions import Value
from ferboost.tuning.outcomes import Cost, Objective, Outcome

__all__ = [
    "count_outcomes",
    "describe_cost",
    "describe_costs",
    "describe_outcome",
    "describe_point",
    "describe_value",
    "value_in_words",
]


def value_in_words(value: Value) -> str:
    """Return a value of a setting as ``--set`` would take it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def describe_point(point: Mapping[str, Value]) -> str:
    """Return the values of a point in one line."""
    return ", ".join(f"{name}={value_in_words(value)}" for name, value in point.items())


def describe_value(value: float, objective: Objective) -> str:
    """Return what is optimised as a reader expects it: an accuracy in percent, a loss in nats."""
    return f"{value:.2%}" if objective == "accuracy" else f"{value:.4f}"


def describe_cost(value: float, cost: Cost) -> str:
    """Return what a model costs, with its unit."""
    return f"{value / 1000:.1f} kB" if cost == "size" else f"{value:.3f} ms a face"


def describe_costs(
    outcome: Outcome, objective: Objective, costs: Sequence[Cost]
) -> tuple[str, ...]:
    """Return how good the models of a trial that is done are, and what they cost."""
    value = outcome.value(objective)
    spent = ((outcome.cost(cost), cost) for cost in costs)
    return (
        f"{objective.replace('_', ' ')} {describe_value(value or 0, objective)}",
        *(describe_cost(amount, cost) for amount, cost in spent if amount is not None),
    )


def describe_outcome(outcome: Outcome, objective: Objective) -> str:
    """Say in one line how a trial ended."""
    value = outcome.value(objective)
    how = outcome.reason if value is None else describe_value(value, objective)
    return (
        f"trial {outcome.number}: {how}; {describe_point(outcome.point)}; {outcome.seconds:.1f} s"
    )


def count_outcomes(outcomes: Sequence[Outcome]) -> str:
    """Say how many trials there were, and how they ended."""
    counts = Counter(outcome.status for outcome in outcomes)
    ends = [f"{count} {status}" for status, count in counts.items()]
    return f"{len(outcomes)} {'trial' if len(outcomes) == 1 else 'trials'}: {', '.join(ends)}"
