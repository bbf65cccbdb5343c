"""What the page of a repetition says in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ferboost.published import published
from ferboost.report.reproduction_facts import Facts
from ferboost.reproduction.experiments import GRID
from ferboost.reproduction.findings import Claim, Word
from ferboost.reproduction.folder import CLEAN
from ferboost.reproduction.planning import published_epochs

__all__ = ["Finding", "caveats", "findings", "follows", "headline", "lead", "seeds", "speed"]

_NOISE: Word = "not told apart from noise"


@dataclass(frozen=True)
class Finding:
    """One of the things that the study did not see."""

    title: str
    text: str


def headline(claims: Sequence[Claim]) -> str:
    """Return how many claims of the study hold."""
    counts = Counter(claim.word for claim in claims)
    judged = counts["repeated"] + counts["not repeated"] + counts[_NOISE]
    if not judged:
        return "No claim of the study could be tested yet"
    noise = counts[_NOISE]
    return (
        f"Of {judged} claim{'s' * (judged > 1)} of the study, {counts['repeated']} "
        f"{_are(counts['repeated'])} repeated, {counts['not repeated']} "
        f"{_are(counts['not repeated'])} not, and {noise} cannot be told apart from noise"
    )


def lead(facts: Facts) -> list[str]:
    """Return what was done, on what."""
    record = facts.record
    counts = {split: sum(c) for split, c in record.data.counts.items()}
    spent = facts.spent / 60
    budget = "" if record.budget is None else f" of a budget of {record.budget:g}"
    return [
        (
            f"{counts['train']:,} training images, {counts['validation']:,} validation images "
            f"cut off them, {counts['test']:,} test images. {spent:.0f} minutes{budget}, on "
            f"{record.environment['processor']} with {record.environment['cores']} cores."
        )
    ]


def caveats(facts: Facts) -> list[str]:
    """Return in what this is less than the study."""
    said = []
    genuine = published()["dataset"]["train"]
    counts = facts.record.data.counts
    if sum(counts["train"]) + sum(counts["validation"]) != genuine:
        said.append(
            "This is not FER-2013 as the study had it: what the authors found need not hold "
            "here, and their figures do not compare."
        )
    for run in facts.runs.values():
        if run.shortened:
            said.append(
                f"The CNN was trained for {run.run.settings.cnn.epochs} epochs, and for "
                f"{published_epochs('layers')} in the study."
            )
            break
    by_length: dict[str, list[str]] = {}
    for key, result in facts.results.items():
        theirs = published_epochs(result.experiment.kind)
        if result.experiment.kind != "trees" and result.epochs < theirs:
            epochs = f"{result.epochs} epoch{'s' * (result.epochs > 1)}"
            length = f"{epochs} instead of {theirs}, {seeds(result.seeds)}"
            by_length.setdefault(length, []).append(key)
    said += [f"{', '.join(keys)}: {length}." for length, keys in by_length.items()]
    grid = facts.results.get(GRID.key)
    if grid is not None and grid.experiment.values != GRID.values:
        n = len(grid.points) + grid.missing
        said.append(
            f"Of the grid's 125 points {n} were chosen: the ends, what the authors call best, and "
            "some between."
        )
    missing = sum(result.missing for result in facts.results.values())
    if missing:
        said.append(f"{missing} points are still to be tried.")
    parts = set(facts.record.parts) - set(facts.results) - {"cnn"}
    if parts:
        said.append(f"Not done yet: {', '.join(sorted(parts))}.")
    return said


def findings(facts: Facts) -> list[Finding]:
    """Return the three things that the study did not see."""
    return [_axes_finding(facts), _leak_finding(facts), _spread_finding(facts)]


def _axes_finding(facts: Facts) -> Finding:
    title = "Two axes of the grid are swapped"
    found = facts.grid
    if found is None:
        return Finding(title, "The grid was not repeated here.")
    rates = _shares(found.stuck_by_rate)
    weights = _shares(found.stuck_by_l2)
    text = (
        "In the authors' array, two columns stay at what always saying the most frequent class "
        f"would score. Here, so many points do: by learning rate, {rates}; by L2, {weights}. "
    )
    if found.right is not None and found.swapped is not None:
        text += (
            "Over all points, our accuracies go with theirs by a rank correlation of "
            f"{found.right:.2f} with the axes read right, and {found.swapped:.2f} as printed."
        )
    return Finding(title, text)


def _leak_finding(facts: Facts) -> Finding:
    title = "Test images stand in the training set"
    theirs = published()["leak"]
    clean = facts.runs.get(CLEAN)
    if clean is None:
        return Finding(title, "No CNN was trained here.")
    if clean.copies is None:
        return Finding(title, "None of these test images is an exact copy of a training image.")
    cnn = clean.cnn
    n, n_clean = cnn.per_seed[0].n, cnn.per_seed[0].n_clean
    rest = 0.0 if cnn.accuracy_clean is None else 100 * cnn.accuracy_clean
    return Finding(
        title,
        f"Of {n:,} test images, {n - (n_clean or 0):,} are exact copies of training images. "
        f"The CNN is right on {clean.copies:.1f} % of these, and on {rest:.1f} % of the "
        f"others. The authors' own weights: {theirs['cnn_accuracy_on_duplicates']:.1f} % and "
        f"{theirs['cnn_accuracy_on_the_rest']:.1f} %.",
    )


def _spread_finding(facts: Facts) -> Finding:
    title = "Trainings differ by more than what the tables compare"
    tables = published()["xgboost_tuning"].values()
    theirs = [table["cnn"] for table in tables]
    text = (
        f"The authors trained the same CNN for each of their tables 2 to 6: {min(theirs):.2f} "
        f"to {max(theirs):.2f} %, a standard deviation of {stdev(theirs):.2f} points. "
    )
    ranges = [
        max(p.mean for p in r.done) - min(p.mean for p in r.done)
        for r in facts.results.values()
        if r.experiment.kind == "trees" and len(r.done) > 1
    ]
    spreads = [
        spread
        for r in facts.results.values()
        if r.experiment.kind == "trees" and (spread := r.seed_spread()) is not None
    ]
    if ranges and spreads:
        text += (
            f"Here the values of a table span {fmean(ranges):.1f} points on average, and the "
            f"trees on different trainings of the CNN have a standard deviation of "
            f"{fmean(spreads):.1f}."
        )
    elif facts.spread is not None:
        text += f"Here it is {facts.spread:.1f} points between the trainings of the CNN."
    return Finding(title, text)


def follows(facts: Facts, claims: Sequence[Claim]) -> list[str]:
    """Return what a reader may take along."""
    words = Counter(claim.word for claim in claims)
    lessons = [
        f"{claim.what[:1].upper()}{claim.what[1:]}: not so. {claim.why}"
        for claim in claims
        if claim.word == "not repeated"
    ]
    if words[_NOISE]:
        images = sum(facts.record.data.counts["validation"])
        lessons.append(
            f"{words[_NOISE]} of the choices make no difference that {images:,} "
            "images and these seeds can show: a single training is no reason to prefer one "
            "value."
        )
    lessons.append(
        "Whoever compares settings needs several seeds, a validation split, and test images "
        "without copies of training images."
    )
    return lessons


def speed(facts: Facts) -> str:
    """Return the speed test; empty without runs."""
    first = next(iter(facts.runs.values()), None)
    if first is None:
        return ""
    theirs = published()["prediction_seconds"]
    n = published()["dataset"]["test"]
    scale = n / first.cnn.per_seed[0].n
    trees = [s.predict_time.trees for s in first.summaries[1:]]
    slowest = f" and trees at most {scale * max(trees):.2f} s more" if trees else ""
    return (
        f"The speed test: {n:,} images take the CNN {scale * first.cnn.predict_time.cnn:.2f} s "
        f"here{slowest}, scaled from {first.cnn.per_seed[0].n:,}; the study has "
        f"{theirs['cnn']:.2f} s and {theirs['xgboost']:.2f} s, on another machine."
    )


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def seeds(number: int) -> str:
    """Return a number of seeds in words."""
    return f"{number} seed{'s' * (number > 1)}"


def _shares(stuck: dict[float, float]) -> str:
    return ", ".join(f"{share:.0%} at {value:g}" for value, share in stuck.items())
