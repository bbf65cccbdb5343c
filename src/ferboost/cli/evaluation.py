"""``ferboost evaluate`` and ``compare``."""

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferboost.cli.console import ConsoleMonitor, print_json
from ferboost.cli.data import JsonOption, load
from ferboost.cli.outputs import refuse_to_overwrite
from ferboost.cli.results import (
    describe_comparison,
    describe_results,
    print_groups,
    print_results,
)
from ferboost.cli.splits import SplitOption, check_split, print_left_out, select_split
from ferboost.cli.trust import KNOWN_IMAGES, describe_trust, measure_run_trust, print_trust
from ferboost.variants import variant_phrase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ferboost.evaluation.groups import GroupMetrics
    from ferboost.evaluation.results import Results
    from ferboost.inference import ModelInfo
    from ferboost.runs import Run

__all__ = ["COMPARE_EXAMPLES", "EVALUATE_EXAMPLES", "compare", "evaluate"]

EVALUATE_EXAMPLES = """\b
Examples:
  ferboost evaluate runs/paper-clean-1 fer2013.zip
  ferboost evaluate runs/paper-clean-1 other-faces/ --split all --json
  ferboost evaluate runs/paper-clean-1 my-faces/ --groups ages.csv
  ferboost evaluate model.onnx my-faces/ --coverage 0.9
  ferboost evaluate model.onnx my-faces/ --predictions said.csv
"""

COMPARE_EXAMPLES = """\b
Examples:
  ferboost compare runs/paper-clean-1 runs/paper-clean-2 fer2013.zip
  ferboost compare runs/paper-clean-1 fer2013.zip --variant cnn --variant fc1
"""


def evaluate(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="A finished run directory, or a file that export wrote."
        ),
    ],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
    ],
    split: SplitOption = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Verify sets of classes that are to hold the true one so often, such as 0.9.",
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Compare groups of faces, too: a table with the columns image and group.",
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model of the run, such as cnn or fc1; may be repeated.  [default: all]",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write what each model says of each face: image, split, label, model, prediction, "
            "probabilities.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Evaluate the CNN and the trees of a run on labelled faces.

    Any labelled faces will do: all of them, or where they are in splits, those of the test. On
    the data that the run was trained on, the splits are those that the run has cut.
    """
    from ferboost.errors import SettingsError
    from ferboost.evaluation.groups import read_groups
    from ferboost.evaluation.prediction_tables import save_predictions
    from ferboost.pipeline import evaluate_run
    from ferboost.runs import Run

    check_split(split)
    if predictions is not None:
        _check_target(predictions)
        refuse_to_overwrite("--predictions", predictions, model, data, groups)
    if coverage is not None and not 0 < coverage < 1:
        raise SettingsError(f"a coverage lies between 0 and 1, such as 0.9; found {coverage}")
    if model.is_file():
        if variant:
            raise SettingsError(f"{model} holds one model; --variant is for runs")
        _evaluate_file(model, data, split, coverage, groups, predictions, json=json)
        return
    run = Run.open(model)
    dataset = load(data)
    evaluated = select_split(dataset, run, split)
    members = {} if groups is None else read_groups(groups, evaluated.names)
    results = evaluate_run(run, evaluated, ConsoleMonitor(), variants=variant)
    if predictions is not None:
        save_predictions(predictions, evaluated, results)
    by_group = _by_group(results, members)
    coverages = () if coverage is None else (coverage,)
    trust, why_not = measure_run_trust(run, results, coverages)
    if json:
        described = describe_results(results) | {"trust": describe_trust(trust, why_not)}
        print_json(described | _describe_groups(by_group))
    else:
        own = split in {None, "test"} and dataset.fingerprint == run.record.data.fingerprint
        print_results(results, run, own_test_split=own)
        print_trust(trust, why_not)
        if by_group:
            print_groups(by_group)


def _check_target(target: Path) -> None:
    """Refuse a table where none can be."""
    from ferboost.errors import SettingsError

    if target.is_dir() or not target.parent.is_dir():
        where = "is a folder" if target.is_dir() else "lies in no folder that is there"
        raise SettingsError(f"{target} {where}; give --predictions a file")


def _evaluate_file(
    model: Path,
    data: Path,
    split: str | None,
    coverage: float | None,
    groups: Path | None,
    predictions: Path | None,
    *,
    json: bool,
) -> None:
    from ferboost.evaluation.groups import read_groups
    from ferboost.evaluation.metrics import reliability_bins
    from ferboost.evaluation.model_files import evaluate_model_file
    from ferboost.evaluation.prediction_tables import save_predictions
    from ferboost.inference import Predictor

    predictor = Predictor(model)
    evaluated = select_split(load(data), None, split, predictor.info.data_fingerprint)
    members = {} if groups is None else read_groups(groups, evaluated.names)
    with ConsoleMonitor().stage("evaluate") as tell:
        results = evaluate_model_file(predictor, evaluated, tell)
    if predictions is not None:
        save_predictions(predictions, evaluated, results)
    by_group = _by_group(results, members)
    is_measured = not results.are_mostly_known
    sets = None
    if coverage is not None and is_measured:
        sets = _verify_sets(predictor.info, results, coverage)
    if json:
        why_not = None if is_measured else KNOWN_IMAGES
        described = describe_results(results) | {"sets": sets, "why_not": why_not}
        print_json(described | _describe_groups(by_group))
        return
    print_results(results, None, own_test_split=False)
    if is_measured:
        shares = results.seeds[0].probabilities[predictor.info.variant]
        error = reliability_bins(shares, results.labels).calibration_error
        typer.echo(
            f"calibration: {predictor.info.calibration}; expected calibration error "
            f"{100 * error:.1f} points"
        )
    else:
        typer.echo(f"{KNOWN_IMAGES}.")
    if sets is not None:
        low, high = sets["interval"]
        typer.echo(
            f"sets for {100 * sets['asked']:g} %: {100 * sets['coverage']:.1f} % "
            f"[{100 * low:.1f}, {100 * high:.1f}] hold the true class; {sets['size']:.2f} classes "
            "on average"
        )
    if by_group:
        print_groups(by_group)


def _verify_sets(info: "ModelInfo", results: "Results", coverage: float) -> dict[str, Any]:
    """Say how often the sets of a model file hold the true class."""
    import numpy as np

    from ferboost.errors import SettingsError
    from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval

    if info.sets is None:
        raise SettingsError(
            "this model was exported without calibration and has no sets; leave out --coverage"
        )
    chosen = info.sets.predict(results.seeds[0].probabilities[info.variant], coverage)
    held = chosen[np.arange(len(results.labels)), results.labels]
    return {
        "asked": coverage,
        "coverage": float(held.mean()),
        "interval": list(percentile_interval(bootstrap_means(held[np.newaxis]))),
        "size": float(chosen.sum(axis=1).mean()),
    }


def _by_group(
    results: "Results", members: "Mapping[str, NDArray[np.bool_]]"
) -> "dict[str, tuple[GroupMetrics, ...]]":
    from ferboost.evaluation.groups import measure_groups

    return {
        variant: measure_groups(results.correct(variant), members, results.clean)
        for variant in (results.variants if members else ())
    }


def _describe_groups(by_group: "Mapping[str, Sequence[GroupMetrics]]") -> dict[str, Any]:
    if not by_group:
        return {}
    return {"groups": {v: [group.to_dict() for group in own] for v, own in by_group.items()}}


def compare(
    models: Annotated[list[Path], typer.Argument(metavar="RUN", help="Finished run directories.")],
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder, zip, CSV or Parquet file.")
    ],
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A model, as evaluate names it, such as cnn or fc1; may be repeated: these, each "
            "against each.",
        ),
    ] = None,
    split: SplitOption = None,
    json: JsonOption = False,
) -> None:
    """Compare runs on the same faces, in pairs, with intervals.

    Without --variant, the CNN of a run is compared to the CNN of another, and so on with the trees;
    those of a single run are compared to each other. Several comparisons are adjusted for how many
    they are (Holm). Where a run was made with most of the faces, only those count that none of the
    runs was made with.
    """
    from ferboost.errors import SettingsError
    from ferboost.evaluation.comparison import adjusted
    from ferboost.evaluation.comparison import compare as compare_pair
    from ferboost.pipeline import evaluate_run
    from ferboost.runs import Run

    check_split(split)
    runs = {path: Run.open(path) for path in models}
    seeds = {path: len(run.settings.seeds) for path, run in runs.items()}
    if len(set(seeds.values())) > 1:
        counts = ", ".join(f"{path} has {number}" for path, number in seeds.items())
        raise SettingsError(f"only runs with equally many seeds can be compared: {counts}")
    dataset = load(data)
    evaluated = {path: select_split(dataset, run, split) for path, run in runs.items()}
    if len({faces.fingerprint for faces in evaluated.values()}) > 1:
        raise SettingsError(
            f"the runs have cut other {split or 'test'} images off {data}; use --split all, of "
            "which those count that no run was made with"
        )
    results = {
        path: evaluate_run(run, evaluated[path], ConsoleMonitor(), variants=variant, timed=False)
        for path, run in runs.items()
    }
    pairs = _pairs(results, variant)
    names = [(_name(a, runs), _name(b, runs)) for a, b in pairs]
    counted = _counted(results)
    right = {(p, v): results[p].correct(v)[:, counted] for pair in pairs for p, v in pair}
    losses = {(p, v): results[p].losses(v)[:, counted] for pair in pairs for p, v in pair}
    found = adjusted([
        compare_pair(right[a], right[b], losses=(losses[a], losses[b])) for a, b in pairs
    ])  # fmt: skip
    compared = list(zip(names, found, strict=True))
    caveats = _caveats(runs)
    if json:
        print_json([
            {"a": a, "b": b}
            | describe_comparison(pair)
            | {"sentence": pair.sentence(a, b), "caveats": caveats}
            for (a, b), pair in compared
        ])  # fmt: skip
        return
    for (a, b), pair in compared:
        typer.echo(pair.sentence(a, b))
    for caveat in caveats:
        typer.echo(caveat)
    print_left_out(int((~counted).sum()))


def _caveats(runs: "dict[Path, Run]") -> list[str]:
    """Return what the intervals of a comparison leave out."""
    found = [
        f"{path} chose on its test images (protocol paper): on these it looks better than it is."
        for path, run in runs.items()
        if run.settings.protocol == "paper"
    ]
    if len(runs) > 1 and all(len(run.settings.seeds) == 1 for run in runs.values()):
        found.append("One seed each: how much trainings differ by their seed is not counted.")
    return found


def _counted(results: "dict[Path, Results]") -> "NDArray[np.bool_]":
    """Return which images are compared on: all, or those that none of the runs was made with."""
    import numpy as np

    from ferboost.errors import DataError

    unseen = np.ones(len(next(iter(results.values())).labels), dtype=np.bool_)
    if not any(result.are_mostly_known for result in results.values()):
        return unseen
    for result in results.values():
        unseen &= True if result.clean is None else result.clean
    if not unseen.any():
        raise DataError(
            "the runs were made with all of these images; choose others by --split, or give "
            "other data"
        )
    return unseen


def _pairs(
    results: "dict[Path, Results]", wanted: list[str] | None
) -> list[tuple[tuple[Path, str], tuple[Path, str]]]:
    """Return the pairs of (run, variant) to compare."""
    from ferboost.errors import SettingsError

    models = [(path, name) for path, r in results.items() for name in wanted or r.variants]
    pairs = list(combinations(models, 2))
    if wanted is None and len(results) > 1:
        pairs = [(a, b) for a, b in pairs if a[1] == b[1]]
    if not pairs:
        raise SettingsError(
            "there is one model only and nothing to compare it to; name another RUN or --variant"
        )
    return pairs


def _name(model: tuple[Path, str], runs: "dict[Path, Run]") -> str:
    """Return what a sentence calls a model."""
    path, variant = model
    words = variant_phrase(variant)
    return words if len(runs) == 1 else f"{words} of {path}"
