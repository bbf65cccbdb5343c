"""Which trials no other beats."""

from ferboost.tuning.outcomes import Cost, Outcome, SeedScore, pareto_front


def outcome(number: int, accuracy: float, size: float, time: float = 1.0) -> Outcome:
    score = SeedScore(seed=0, accuracy=accuracy, log_loss=1 - accuracy, size=size, time=time)
    return Outcome(status="done", seconds=1, seeds=(score,), number=number, point={})


def front(outcomes: list[Outcome], *costs: Cost) -> list[int]:
    return [o.number for o in pareto_front(tuple(outcomes), "accuracy", costs)]


def test_the_front_is_what_no_other_trial_beats() -> None:
    made = [
        outcome(0, 0.5, 100),
        outcome(1, 0.7, 300),
        outcome(2, 0.6, 300),  # as large as 1, and worse
        outcome(3, 0.5, 200),  # as good as 0, and larger
        outcome(4, 0.65, 200),
        outcome(5, 0.65, 200),  # as 4, and later
    ]
    assert front(made, "size") == [0, 4, 1]
    by_loss = pareto_front(tuple(made), "log_loss", ("size",))
    assert [o.number for o in by_loss] == [0, 4, 1]


def test_two_costs_leave_more_on_the_front() -> None:
    made = [outcome(0, 0.5, 100, 3), outcome(1, 0.5, 200, 1), outcome(2, 0.4, 200, 2)]
    assert front(made, "size") == [0]
    assert front(made, "size", "time") == [0, 1]


def test_a_trial_that_is_not_done_is_not_on_the_front() -> None:
    stopped = outcome(0, 0.9, 1).model_copy(update={"status": "stopped"})
    assert front([stopped, outcome(1, 0.5, 100)], "size") == [1]


def test_what_was_not_measured_is_no_cost() -> None:
    score = SeedScore(seed=0, accuracy=0.5, log_loss=1.0)
    bare = Outcome(status="done", seconds=1, seeds=(score,), number=0, point={})
    assert bare.cost("size") is None
    assert front([bare, outcome(1, 0.4, 100)], "size") == [1]
