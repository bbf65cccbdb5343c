"""The page of a repetition of the study: every table and figure beside the published one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from statistics import fmean, stdev

from ferboost.errors import RunError
from ferboost.evaluation.summary import VariantSummary, summarize
from ferboost.files import write_text
from ferboost.pipeline.evaluating import has_results
from ferboost.published import published
from ferboost.report.content import CaptionedFigure, ReportContent
from ferboost.report.reproduction_figures import plot_experiment, plot_grid_maps
from ferboost.report.sections import section_figures
from ferboost.report.study_figures import plot_grid, plot_trial_curves
from ferboost.report.style import variant_title
from ferboost.report.svg import inline_svg
from ferboost.report.templates import template_environment
from ferboost.report.writing import report_content, write_content
from ferboost.reproduction.experiments import EXPERIMENTS, GRID
from ferboost.reproduction.findings import (
    Claim,
    ExperimentResult,
    GridFinding,
    Word,
    cnn_claims,
    experiment_claim,
    grid_finding,
    read_result,
)
from ferboost.reproduction.folder import AS_PUBLISHED, CLEAN, RUNS, Reproduction
from ferboost.reproduction.planning import published_epochs
from ferboost.runs import Run
from ferboost.tuning.wording import value_in_words

__all__ = ["write_reproduction_page"]

_NONE = "\N{EN DASH}"
_NOISE: Word = "not told apart from noise"
_MODEL_SECTIONS = ("models", "classes", "confusions", "roc", "learning", "time", "inside", "data")


@dataclass(frozen=True)
class _Section:
    key: str
    title: str
    lead: str
    figures: tuple["_PageFigure", ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _PageFigure:
    number: int
    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class _Finding:
    title: str
    text: str


@dataclass(frozen=True)
class _RunFacts:
    run: Run
    content: ReportContent
    summaries: tuple[VariantSummary, ...]
    copies: float | None
    """Accuracy of the CNN on test images that are copies of training images, in percent."""

    @property
    def cnn(self) -> VariantSummary:
        return self.summaries[0]


def write_reproduction_page(reproduction: Reproduction) -> list[Claim]:
    """Write the page of a repetition, of what is done so far, and the reports of its runs.

    Returns
    -------
    list of Claim
        What the study says, and what of it holds.

    Raises
    ------
    RunError
        If nothing is done yet, or a file is damaged.
    StorageError
        If the page cannot be written.
    """
    runs = {name: facts for name in RUNS if (facts := _read_run(reproduction, name)) is not None}
    results = _read_results(reproduction)
    if not runs and not results:
        raise RunError(
            f"nothing of {reproduction.path} is done yet; go on with: ferboost reproduce --resume "
            f"--out {reproduction.path}"
        )
    page = _Page(reproduction, runs, results)
    write_text(reproduction.page, page.render())
    return page.claims


def _read_run(reproduction: Reproduction, name: str) -> _RunFacts | None:
    run = reproduction.run(name)
    if run is None or not has_results(run):
        return None
    content = report_content(run)
    write_content(run, content)
    results = content.results
    copies = None
    if results.clean is not None and not results.clean.all():
        copies = 100 * float(results.correct("cnn")[:, ~results.clean].mean())
    return _RunFacts(run, content, summarize(results), copies)


def _read_results(reproduction: Reproduction) -> dict[str, ExperimentResult]:
    results = {}
    for experiment in EXPERIMENTS:
        study = reproduction.study(experiment)
        if study is not None and study.outcomes():
            results[experiment.key] = read_result(experiment, study)
    return results


class _Page:
    """Everything that the template shows."""

    def __init__(
        self,
        reproduction: Reproduction,
        runs: dict[str, _RunFacts],
        results: dict[str, ExperimentResult],
    ) -> None:
        self._reproduction = reproduction
        self._runs = runs
        self._results = results
        self._numbers = count(1)
        self._spread = self._training_spread()
        self._grid = self._read_grid()
        self._claim_of = {key: self._judge(key) for key in self._results}
        self.claims = [claim for claim in self._all_claims() if claim.what]

    def render(self) -> str:
        record = self._reproduction.record
        environment = template_environment()
        clean = self._runs.get(CLEAN)
        return environment.get_template("reproduction.html.j2").render(
            headline=self._headline(),
            lead=self._lead(),
            labels=self._labels(),
            claims=self.claims,
            findings=self._findings(),
            follows=self._follows(),
            models=self._models(),
            classes=self._classes(),
            n_seeds=0 if clean is None else len(clean.run.settings.seeds),
            reports=[(f"the report {n}", f"runs/{n}/report.html") for n in RUNS if n in self._runs],
            speed=self._speed(),
            model_figures=self._model_figures(),
            sections=[self._section(key) for key in self._results],
            command=record.command,
            environment=", ".join(f"{k} {v}" for k, v in record.environment.items()),
        )

    def _training_spread(self) -> float | None:
        """Return the standard deviation between trainings of the CNN, in percent points."""
        clean = self._runs.get(CLEAN)
        deviation = None if clean is None else clean.cnn.deviation
        return None if deviation is None else 100 * deviation

    def _read_grid(self) -> GridFinding | None:
        result = self._results.get(GRID.key)
        if result is None:
            return None
        counts = self._reproduction.record.data.counts["validation"]
        return grid_finding(result, 100 * max(counts) / sum(counts), self._spread)

    def _all_claims(self) -> list[Claim]:
        claims: list[Claim] = []
        if self._runs:
            clean, as_published = (
                self._runs[name].summaries if name in self._runs else () for name in RUNS
            )
            claims += cnn_claims(clean, as_published, fewer=self._fewer_epochs())
        return claims + [claim for claim in self._claim_of.values() if claim is not None]

    def _judge(self, key: str) -> Claim | None:
        """Judge an experiment; None for a grid of too few points."""
        if key == GRID.key:
            return None if self._grid is None else self._grid.claim
        return experiment_claim(self._results[key], self._spread)

    def _fewer_epochs(self) -> bool:
        runs = self._runs.values()
        return any(f.run.settings.cnn.epochs < published_epochs("layers") for f in runs)

    def _headline(self) -> str:
        counts = Counter(claim.word for claim in self.claims)
        judged = counts["repeated"] + counts["not repeated"] + counts[_NOISE]
        if not judged:
            return "No claim of the study could be tested yet"
        noise = counts[_NOISE]
        return (
            f"Of {judged} claim{'s' * (judged > 1)} of the study, {counts['repeated']} "
            f"{_are(counts['repeated'])} repeated, {counts['not repeated']} "
            f"{_are(counts['not repeated'])} not, and {noise} cannot be told apart from noise"
        )

    def _lead(self) -> list[str]:
        record = self._reproduction.record
        counts = {split: sum(c) for split, c in record.data.counts.items()}
        spent = self._reproduction.spent / 60
        budget = "" if record.budget is None else f" of a budget of {record.budget:g}"
        return [
            (
                f"{counts['train']:,} training images, {counts['validation']:,} validation images "
                f"cut off them, {counts['test']:,} test images. {spent:.0f} minutes{budget}, on "
                f"{record.environment['processor']} with {record.environment['cores']} cores."
            )
        ]

    def _labels(self) -> list[str]:
        labels = []
        genuine = published()["dataset"]["train"]
        counts = self._reproduction.record.data.counts
        if sum(counts["train"]) + sum(counts["validation"]) != genuine:
            labels.append(
                "This is not FER-2013 as the study had it: what the authors found need not hold "
                "here, and their figures do not compare."
            )
        for facts in self._runs.values():
            if facts.run.settings.cnn.epochs < published_epochs("layers"):
                labels.append(
                    f"The CNN was trained for {facts.run.settings.cnn.epochs} epochs, and for "
                    f"{published_epochs('layers')} in the study."
                )
                break
        by_length: dict[str, list[str]] = {}
        for key, result in self._results.items():
            theirs = published_epochs(result.experiment.kind)
            if result.experiment.kind != "trees" and result.epochs < theirs:
                by_length.setdefault(
                    f"{result.epochs} epochs instead of {theirs}, {_seeds(result.seeds)}", []
                ).append(key)
        labels += [f"{', '.join(keys)}: {length}." for length, keys in by_length.items()]
        grid = self._results.get(GRID.key)
        if grid is not None and grid.experiment.values != GRID.values:
            n = len(grid.points) + grid.missing
            labels.append(f"Of the grid's 125 points {n} were chosen, evenly.")
        missing = sum(result.missing for result in self._results.values())
        if missing:
            labels.append(f"{missing} points are still to be tried.")
        parts = set(self._reproduction.record.parts) - set(self._results) - {"cnn"}
        if parts:
            labels.append(f"Not done yet: {', '.join(sorted(parts))}.")
        return labels

    def _findings(self) -> list[_Finding]:
        return [self._axes_finding(), self._leak_finding(), self._spread_finding()]

    def _axes_finding(self) -> _Finding:
        title = "Two axes of the grid are swapped"
        found = self._grid
        if found is None:
            return _Finding(title, "The grid was not repeated here.")
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
        return _Finding(title, text)

    def _leak_finding(self) -> _Finding:
        title = "Test images stand in the training set"
        theirs = published()["leak"]
        clean = self._runs.get(CLEAN)
        if clean is None:
            return _Finding(title, "No CNN was trained here.")
        if clean.copies is None:
            return _Finding(
                title, "None of these test images is an exact copy of a training image."
            )
        cnn = clean.cnn
        n, n_clean = cnn.per_seed[0].n, cnn.per_seed[0].n_clean
        rest = 0.0 if cnn.accuracy_clean is None else 100 * cnn.accuracy_clean
        return _Finding(
            title,
            f"Of {n:,} test images, {n - (n_clean or 0):,} are exact copies of training images. "
            f"The CNN is right on {clean.copies:.1f} % of these, and on {rest:.1f} % of the "
            f"others. The authors' own weights: {theirs['cnn_accuracy_on_duplicates']:.1f} % and "
            f"{theirs['cnn_accuracy_on_the_rest']:.1f} %.",
        )

    def _spread_finding(self) -> _Finding:
        title = "Trainings differ by more than what the tables compare"
        tables = published()["xgboost_tuning"].values()
        theirs = [table["cnn"] for table in tables]
        text = (
            f"The authors trained the same CNN for each of their tables 2 to 6: {min(theirs):.2f} "
            f"to {max(theirs):.2f} %, a standard deviation of {stdev(theirs):.2f} points. "
        )
        ranges = [
            max(p.mean for p in r.done) - min(p.mean for p in r.done)
            for r in self._results.values()
            if r.experiment.kind == "trees" and len(r.done) > 1
        ]
        spreads = [
            spread
            for r in self._results.values()
            if r.experiment.kind == "trees" and (spread := r.seed_spread()) is not None
        ]
        if ranges and spreads:
            text += (
                f"Here the values of a table span {fmean(ranges):.1f} points on average, and the "
                f"trees on different trainings of the CNN have a standard deviation of "
                f"{fmean(spreads):.1f}."
            )
        elif self._spread is not None:
            text += f"Here it is {self._spread:.1f} points between the trainings of the CNN."
        return _Finding(title, text)

    def _follows(self) -> list[str]:
        words = Counter(claim.word for claim in self.claims)
        follows = [
            f"{claim.what[:1].upper()}{claim.what[1:]}: not so. {claim.why}"
            for claim in self.claims
            if claim.word == "not repeated"
        ]
        if words[_NOISE]:
            images = sum(self._reproduction.record.data.counts["validation"])
            follows.append(
                f"{words[_NOISE]} of the choices make no difference that {images:,} "
                "images and these seeds can show: a single training is no reason to prefer one "
                "value."
            )
        follows.append(
            "Whoever compares settings needs several seeds, a validation split, and test images "
            "without copies of training images."
        )
        return follows

    def _models(self) -> list[tuple[str, ...]]:
        study = published()
        theirs = {"cnn": study["cnn"]["result"]["test_accuracy"], **study["xgboost_by_tap"]}
        first = next(iter(self._runs.values()), None)
        if first is None:
            return []
        rows: list[tuple[str, ...]] = []
        for variant in (summary.variant for summary in first.summaries):
            found = {
                name: next((s for s in facts.summaries if s.variant == variant), None)
                for name, facts in self._runs.items()
            }
            clean = found.get(CLEAN)
            accuracy_clean = None if clean is None else clean.accuracy_clean
            rows.append(
                (
                    variant_title(variant),
                    f"{theirs[variant]:.1f}" if variant in theirs else _NONE,
                    _with_interval(found.get(AS_PUBLISHED)),
                    _with_interval(clean),
                    _NONE if accuracy_clean is None else f"{100 * accuracy_clean:.1f}",
                )
            )
        return rows

    def _classes(self) -> list[tuple[str, ...]]:
        theirs = published()["cnn"]["result"]["per_class"]
        first = next(iter(self._runs.values()), None)
        if first is None:
            return []
        by_class = {name: facts.cnn.by_class("accuracy") for name, facts in self._runs.items()}
        return [
            (
                label,
                f"{theirs[label]:.1f}" if label in theirs else _NONE,
                *(_share(by_class.get(name, {}).get(label)) for name in (AS_PUBLISHED, CLEAN)),
            )
            for label in first.run.record.classes
        ]

    def _speed(self) -> str:
        first = next(iter(self._runs.values()), None)
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

    def _model_figures(self) -> tuple[_PageFigure, ...]:
        clean = self._runs.get(CLEAN)
        if clean is None:
            return ()
        figures = section_figures(clean.content, clean.summaries)
        return self._drawn([f for name in _MODEL_SECTIONS for f in figures[name]])

    def _section(self, key: str) -> _Section:
        result = self._results[key]
        experiment = result.experiment
        names = tuple(experiment.values)
        # A grid of too few points is judged as any other experiment.
        claim = self._claim_of[key] or experiment_claim(result, self._spread)
        said = f"The study: {claim.what}. " if claim.what else ""
        rows = [
            (
                ", ".join(value_in_words(p.point[name]) for name in names),
                f"{p.mean:.2f}" if p.per_seed else _NONE,
                ", ".join(f"{value:.2f}" for value in p.per_seed)
                or p.reason.partition(":")[0]
                or p.status,
                _NONE if p.printed is None else f"{p.printed:.2f}",
            )
            for p in sorted(result.points, key=lambda p: -p.mean if p.per_seed else 1)
        ]
        note = f" {experiment.note}" if experiment.note and experiment.note != claim.why else ""
        return _Section(
            key=key,
            title=experiment.title,
            lead=(
                f"{experiment.where[:1].upper()}{experiment.where[1:]}. {said}"
                f"Here: {claim.word}. {claim.why}{note}"
            ),
            figures=self._drawn(self._experiment_figures(key, result)),
            columns=(", ".join(names), "Mean %", "Each seed", "Study %"),
            rows=tuple(rows),
        )

    def _experiment_figures(self, key: str, result: ExperimentResult) -> list[CaptionedFigure]:
        experiment = next(e for e in EXPERIMENTS if e.key == key)
        study = self._reproduction.study(experiment)
        figures = []
        if study is not None and key == GRID.key:
            outcomes = study.outcomes()
            figures.append(
                CaptionedFigure(
                    plot_grid(study.space, outcomes, "accuracy"),
                    "The grid",
                    "Every point; its axes have the names that stand in the record.",
                )
            )
            figures.append(
                CaptionedFigure(
                    plot_grid_maps(result),
                    "Learning rate and L2",
                    "Means over the batch sizes that were tried, in percent.",
                )
            )
        elif result.done:
            caption = f"{_seeds(result.seeds)}, {result.images:,} validation images."
            figures.append(
                CaptionedFigure(plot_experiment(result), result.experiment.title, caption)
            )
        if study is not None and result.experiment.kind != "trees":
            figures.append(
                CaptionedFigure(
                    plot_trial_curves(study.outcomes(), study.best()),
                    "Learning curves",
                    "First seed of each point; the best one in orange.",
                )
            )
        return figures

    def _drawn(self, figures: Sequence[CaptionedFigure]) -> tuple[_PageFigure, ...]:
        drawn = []
        for figure in figures:
            number = next(self._numbers)
            svg = inline_svg(figure.figure, f"figure-{number}", figure.title)
            drawn.append(_PageFigure(number, figure.title, figure.caption, svg))
        return tuple(drawn)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number > 1)}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{100 * value:.1f}"


def _shares(stuck: dict[float, float]) -> str:
    return ", ".join(f"{share:.0%} at {value:g}" for value, share in stuck.items())


def _with_interval(summary: VariantSummary | None) -> str:
    if summary is None:
        return _NONE
    low, high = summary.interval
    return f"{100 * summary.accuracy:.1f} [{100 * low:.1f}, {100 * high:.1f}]"
