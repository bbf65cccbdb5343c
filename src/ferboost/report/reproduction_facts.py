"""What a repetition of the study found, read from its folder."""

from dataclasses import dataclass

from ferboost.evaluation.summary import VariantSummary, summarize
from ferboost.pipeline.evaluating import has_results
from ferboost.report.content import ReportContent
from ferboost.report.writing import report_content, write_content
from ferboost.reproduction.experiments import EXPERIMENTS, GRID
from ferboost.reproduction.findings import (
    Claim,
    GridFinding,
    cnn_claims,
    experiment_claim,
    grid_finding,
)
from ferboost.reproduction.folder import CLEAN, RUNS, Reproduction, ReproductionRecord
from ferboost.reproduction.planning import published_epochs
from ferboost.reproduction.results import ExperimentResult, read_result
from ferboost.runs import Run

__all__ = ["Facts", "RunFacts", "read_facts"]


@dataclass(frozen=True)
class RunFacts:
    """One of the two trainings of the published CNN.

    Attributes
    ----------
    run : Run
    content : ReportContent
    summaries : tuple of VariantSummary
        The CNN first.
    copies : float or None
        Accuracy of the CNN on test images that are copies of training images, in percent.
    """

    run: Run
    content: ReportContent
    summaries: tuple[VariantSummary, ...]
    copies: float | None

    @property
    def cnn(self) -> VariantSummary:
        """The CNN without trees."""
        return self.summaries[0]

    @property
    def shortened(self) -> bool:
        """Whether it had fewer epochs than in the study."""
        return self.run.settings.cnn.epochs < published_epochs("layers")


@dataclass(frozen=True)
class Facts:
    """All of a repetition that is done.

    Attributes
    ----------
    record : ReproductionRecord
    spent : float
        Seconds so far.
    runs : dict of str to RunFacts
        By name of the protocol.
    results : dict of str to ExperimentResult
        By key of the experiment.
    spread : float or None
        Standard deviation between trainings of the CNN, in percent points.
    grid : GridFinding or None
        None where there are too few points.
    """

    record: ReproductionRecord
    spent: float
    runs: dict[str, RunFacts]
    results: dict[str, ExperimentResult]
    spread: float | None
    grid: GridFinding | None

    @property
    def claims(self) -> list[Claim]:
        """What the study says, and what of it holds."""
        claims: list[Claim] = []
        if self.runs:
            clean, as_published = (
                self.runs[name].summaries if name in self.runs else () for name in RUNS
            )
            fewer = any(run.shortened for run in self.runs.values())
            claims += cnn_claims(clean, as_published, fewer=fewer)
        judged = [self.judge(key) for key in self.results]
        if self.grid is not None:
            judged.append(self.grid.claim_right)
        return [claim for claim in (*claims, *judged) if claim is not None and claim.what]

    def judge(self, key: str) -> Claim | None:
        """Judge an experiment; None for a grid of too few points."""
        if key == GRID.key:
            return None if self.grid is None else self.grid.claim
        return experiment_claim(self.results[key], self.spread)


def read_facts(reproduction: Reproduction) -> Facts:
    """Read what is done of a repetition; reports of its runs are written.

    Raises
    ------
    RunError
        If a file is damaged.
    StorageError
        If a report cannot be written.
    """
    runs = {name: facts for name in RUNS if (facts := _read_run(reproduction, name)) is not None}
    clean = runs.get(CLEAN)
    deviation = None if clean is None else clean.cnn.deviation
    spread = None if deviation is None else 100 * deviation
    results = _read_results(reproduction)
    grid = None
    if GRID.key in results:
        counts = reproduction.record.data.counts["validation"]
        grid = grid_finding(results[GRID.key], 100 * max(counts) / sum(counts), spread)
    return Facts(reproduction.record, reproduction.spent, runs, results, spread, grid)


def _read_run(reproduction: Reproduction, name: str) -> RunFacts | None:
    run = reproduction.run(name)
    if run is None or not has_results(run):
        return None
    content = report_content(run)
    write_content(run, content)
    results = content.results
    copies = None
    if results.clean is not None and not results.clean.all():
        copies = 100 * float(results.correct("cnn")[:, ~results.clean].mean())
    return RunFacts(run, content, summarize(results), copies)


def _read_results(reproduction: Reproduction) -> dict[str, ExperimentResult]:
    results = {}
    for experiment in EXPERIMENTS:
        study = reproduction.study(experiment)
        if study is not None and study.outcomes():
            results[experiment.key] = read_result(experiment, study)
    return results
