"""From data to a finished run: what is kept, what is learned from, and what is never looked at."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferboost.boosting import BoostedTrees
from ferboost.cnn.labelled import LabelledImages
from ferboost.cnn.precision import Precision
from ferboost.config import Settings
from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError, RunError, SettingsError, TrainingDivergedError
from ferboost.evaluation.results import Results
from ferboost.pipeline import execute_run, start_run, training
from ferboost.pipeline.examples import load_examples
from ferboost.pipeline.records import read_precision
from ferboost.progress import Monitor, Tell
from ferboost.runs import Run
from tiny import PLAIN, begin, faces, finish, models_of, run_settings

DATASET = faces()
SETTINGS = run_settings()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    settings = run_settings(seeds=(0, 1), trees={"taps": ("flatten", "fc1", "pixels")})
    return finish(tmp_path_factory.mktemp("finished") / "run", DATASET, settings)


class Trained(Exception):
    """Carries what a CNN was to be trained with."""

    def __init__(self, train: LabelledImages, held_out: LabelledImages) -> None:
        super().__init__()
        self.train = train
        self.held_out = held_out


@pytest.fixture
def given_to_the_cnn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return a function that says what a CNN would be trained with."""

    def train_network(
        network: object, train: LabelledImages, held_out: LabelledImages, *_: object, **__: object
    ) -> None:
        raise Trained(train, held_out)

    def given(dataset: FaceDataset, settings: Settings) -> Trained:
        run, prepared = begin(tmp_path / f"run-{len(list(tmp_path.iterdir()))}", dataset, settings)
        with monkeypatch.context() as patch:
            patch.setattr(training, "train_network", train_network)
            with pytest.raises(Trained) as caught:
                execute_run(run, prepared, Monitor())
        return caught.value

    return given


def unequal(dataset: FaceDataset) -> FaceDataset:
    """Return the data with a third of the happy training images."""
    happy = np.flatnonzero((dataset.labels == 0) & (dataset.splits == "train"))
    kept = np.ones(len(dataset), bool)
    kept[happy[len(happy) // 3 :]] = False
    return dataset.select(kept)


def hashes(images: np.ndarray[Any, np.dtype[np.uint8]]) -> set[bytes]:
    return {image.tobytes() for image in images}


class TestArtefacts:
    def test_a_finished_run_has_every_file_of_its_seeds(
        self, finished: tuple[Run, Results]
    ) -> None:
        run, _ = finished
        files = {str(f.relative_to(run.path)) for f in run.path.rglob("*") if f.is_file()}
        trees = {f"trees-{tap}.ubj" for tap in ("flatten", "fc1", "pixels")}
        of_a_seed = {"metrics.csv", "cnn.json", "network.safetensors", "train-accuracy.json"}
        of_a_seed |= trees | {f"{name}.sha256" for name in trees}
        of_the_run = {
            "run.json", "precision.json", "training-hashes.npy", "examples.npz", "log.txt",
            "predictions.npz", "calibration.json", "validation-predictions.npz", "changed.npz",
            "traits.json",
        }  # fmt: skip
        expected = of_the_run | {f"seed-{seed}/{f}" for seed in (0, 1) for f in of_a_seed}
        assert files - {".lock"} == expected

    def test_the_results_have_every_seed_and_variant(self, finished: tuple[Run, Results]) -> None:
        results = finished[1]
        assert [seed.seed for seed in results.seeds] == [0, 1]
        assert results.variants == ("cnn", "flatten", "fc1", "pixels")
        for seed in results.seeds:
            assert list(seed.probabilities) == list(results.variants)
            assert set(seed.train_accuracy) == set(seed.predict_times) == set(results.variants)
            assert all(p.shape == (15, 3) for p in seed.probabilities.values())

    def test_the_seeds_have_different_models(self, finished: tuple[Run, Results]) -> None:
        models = models_of(finished[0])
        for name in ("network.safetensors", "trees-fc1.ubj"):
            assert models[f"seed-0/{name}"] != models[f"seed-1/{name}"]

    def test_the_results_are_those_of_the_test_split(self, finished: tuple[Run, Results]) -> None:
        np.testing.assert_array_equal(finished[1].labels, DATASET.split("test").labels)

    def test_the_curves_are_a_row_an_epoch(self, finished: tuple[Run, Results]) -> None:
        run, results = finished
        with (run.seed_path(1) / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row, record in zip(rows, results.seeds[1].history, strict=True):
            assert int(row["epoch"]) == record.epoch
            assert float(row["validation_loss"]) == pytest.approx(record.validation_loss, rel=1e-5)

    def test_the_record_says_how_the_run_was_made(self, finished: tuple[Run, Results]) -> None:
        record = Run.open(finished[0].path).record
        assert record.settings == finished[0].settings
        assert record.classes == DATASET.classes
        assert record.command == "tests"
        assert record.data.fingerprint == DATASET.fingerprint
        assert sum(map(sum, record.data.counts.values())) == len(DATASET)
        assert any("for validation" in note for note in record.data.notes)

    def test_the_log_has_the_decisions(self, finished: tuple[Run, Results]) -> None:
        log = (finished[0].path / "log.txt").read_text()
        assert "seed 0: kept epoch" in log
        assert "seed 1: trees on fc1: 2 rounds" in log

    def test_the_examples_are_training_images_of_every_class(
        self, finished: tuple[Run, Results]
    ) -> None:
        examples = load_examples(finished[0])
        assert examples is not None
        assert np.bincount(examples.labels).tolist() == [8, 8, 8]
        assert hashes(examples.images) <= hashes(DATASET.split("train").images)

    def test_the_same_settings_make_the_same_models(
        self, finished: tuple[Run, Results], tmp_path: Path
    ) -> None:
        run, results = finish(tmp_path / "again", DATASET, finished[0].settings)
        assert models_of(run) == models_of(finished[0])
        for found, expected in zip(results.seeds, finished[1].seeds, strict=True):
            assert found.train_accuracy == expected.train_accuracy


class TestTestSplit:
    """Nothing but the evaluation looks at the test images, unless the published study is asked."""

    def poisoned(self) -> FaceDataset:
        """Return the data with other test images and permuted test labels."""
        test = DATASET.splits == "test"
        images, labels = DATASET.images.copy(), DATASET.labels.copy()
        images[test] = np.random.default_rng(0).integers(0, 256, images[test].shape)
        labels[test] = (labels[test] + 1) % 3
        return replace(DATASET, images=images, labels=labels)

    def test_the_clean_protocol_makes_the_same_models_whatever_the_test_images(
        self, tmp_path: Path
    ) -> None:
        settings = run_settings({"patience": 1}, {"early_stopping": 1}, data={"balance": True})
        run, results = finish(tmp_path / "one", DATASET, settings)
        other, other_results = finish(tmp_path / "two", self.poisoned(), settings)
        assert models_of(run) == models_of(other)
        assert results.seeds[0].best_epoch == other_results.seeds[0].best_epoch
        assert not np.array_equal(
            results.seeds[0].probabilities["cnn"], other_results.seeds[0].probabilities["cnn"]
        )

    def test_the_test_split_is_taken_only_after_the_last_model(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taken: list[str] = []
        split = FaceDataset.split

        def noted(dataset: FaceDataset, name: str) -> FaceDataset:
            taken.append(name)
            if name == "test":
                models = [f.name for f in (tmp_path / "run" / "seed-0").iterdir()]
                assert {"network.safetensors", "trees-fc1.ubj", "trees-pixels.ubj"} <= set(models)
            return split(dataset, name)

        run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
        monkeypatch.setattr(FaceDataset, "split", noted)
        execute_run(run, prepared, Monitor())
        assert taken.count("test") == 1

    def test_the_clean_protocol_selects_on_images_cut_from_train(
        self, given_to_the_cnn: Any
    ) -> None:
        given = given_to_the_cnn(DATASET, SETTINGS)
        train, held_out = hashes(given.train.images), hashes(given.held_out.images)
        assert train.isdisjoint(held_out)
        assert train | held_out == hashes(DATASET.split("train").images)
        assert held_out

    def test_the_paper_protocol_selects_on_the_test_images(self, given_to_the_cnn: Any) -> None:
        given = given_to_the_cnn(DATASET, run_settings(protocol="paper"))
        assert hashes(given.held_out.images) == hashes(DATASET.split("test").images)
        assert hashes(given.train.images) == hashes(DATASET.split("train").images)

    def test_the_paper_protocol_reports_the_accuracy_that_it_selected_on(
        self, tmp_path: Path
    ) -> None:
        _, results = finish(tmp_path / "run", DATASET, run_settings(protocol="paper"))
        seed = results.seeds[0]
        selected_on = seed.history[seed.best_epoch - 1].validation_accuracy
        assert results.correct("cnn").mean() == pytest.approx(selected_on)

    def test_trees_without_early_stopping_watch_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watched: dict[int | None, Any] = {}
        fit = BoostedTrees.fit

        def noted(
            self: Any, features: Any, labels: Any, validation: Any, on_round: Any, **logits: Any
        ) -> Any:
            watched[stopping] = validation
            return fit(self, features, labels, validation, on_round, **logits)

        monkeypatch.setattr(BoostedTrees, "fit", noted)
        for stopping in (2, None):
            finish(
                tmp_path / str(stopping), DATASET, run_settings(trees={"early_stopping": stopping})
            )
        assert len(watched[2][1]) > 0
        assert watched[None] is None

    def test_early_stopping_of_trees_never_watches_test_images(self) -> None:
        with pytest.raises(SettingsError, match=r"published protocol has none; set trees\.early_s"):
            run_settings(trees={"early_stopping": 2}, protocol="paper")


class TestTrainingImages:
    def test_plain_training_images_are_those_of_the_split(self, given_to_the_cnn: Any) -> None:
        given = given_to_the_cnn(unequal(DATASET), run_settings(protocol="paper"))
        train = unequal(DATASET).split("train")
        np.testing.assert_array_equal(given.train.images, train.images)
        np.testing.assert_array_equal(given.train.labels, train.labels)

    def test_balancing_makes_classes_equal_by_changed_copies_and_leaving_out(
        self, given_to_the_cnn: Any
    ) -> None:
        settings = run_settings(protocol="paper", data={"balance": True})
        given = given_to_the_cnn(unequal(DATASET), settings).train
        original = unequal(DATASET).split("train")
        assert np.bincount(original.labels).tolist() == [5, 15, 15]
        assert np.bincount(given.labels).tolist() == [12, 12, 12]
        known = hashes(original.images)
        new = np.array([image.tobytes() not in known for image in given.images])
        assert given.labels[new].tolist() == [0] * 7
        assert given.images.dtype == np.uint8
        # The copies are of happy faces: as bright as those, and not black or noise.
        happy = original.images[original.labels == 0]
        assert abs(given.images[new].mean() - happy.mean()) < 40

    def test_balancing_is_another_choice_for_another_seed(self, given_to_the_cnn: Any) -> None:
        chosen = [
            given_to_the_cnn(
                unequal(DATASET), run_settings(data={"balance": True}, seeds=(seed,))
            ).train.images
            for seed in (0, 0, 1)
        ]
        np.testing.assert_array_equal(chosen[0], chosen[1])
        assert not np.array_equal(chosen[0], chosen[2])

    def test_equal_classes_are_left_as_they_are_by_balancing(self, given_to_the_cnn: Any) -> None:
        settings = run_settings(protocol="paper", data={"balance": True})
        given = given_to_the_cnn(DATASET, settings).train
        assert hashes(given.images) == hashes(DATASET.split("train").images)
        assert len(given.images) == len(DATASET.split("train"))

    def test_augmentation_changes_the_network_but_not_the_images_that_trees_see(
        self, tmp_path: Path
    ) -> None:
        plain, _ = finish(tmp_path / "plain", DATASET, SETTINGS)
        settings = run_settings({"augmentation": "published"})
        augmented, _ = finish(tmp_path / "augmented", DATASET, settings)
        first, second = models_of(plain), models_of(augmented)
        assert first["seed-0/network.safetensors"] != second["seed-0/network.safetensors"]
        assert first["seed-0/trees-pixels.ubj"] == second["seed-0/trees-pixels.ubj"]

    def test_the_accuracy_on_train_is_of_the_images_learned_from(self, tmp_path: Path) -> None:
        settings = run_settings(trees={"rounds": 40, "max_depth": 8, "taps": ("pixels",)})
        _, results = finish(tmp_path / "run", DATASET, settings)
        assert results.seeds[0].train_accuracy["pixels"] == 1


class TestPrecision:
    def test_it_is_measured_once_for_all_seeds_and_kept_with_its_reason(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        measured: list[int] = []

        def choose_precision(network: object, batch_size: int, asked: str) -> Precision:
            measured.append(batch_size)
            return PLAIN

        monkeypatch.setattr(training, "choose_precision", choose_precision)
        run, prepared = start_run(tmp_path / "run", DATASET, run_settings(seeds=(0, 1)), "tests")
        execute_run(run, prepared, Monitor())
        assert measured == [16]
        assert json.loads((run.path / "precision.json").read_text()) == PLAIN.to_dict()
        assert (
            "precision float32, channels first: fixed by the test"
            in (run.path / "log.txt").read_text()
        )

    def test_no_more_images_are_timed_than_there_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def choose_precision(network: object, batch_size: int, asked: str) -> Precision:
            assert batch_size <= 45
            return PLAIN

        monkeypatch.setattr(training, "choose_precision", choose_precision)
        settings = run_settings({"batch_size": 1_000_000})
        run, prepared = start_run(tmp_path / "run", DATASET, settings, "tests")
        execute_run(run, prepared, Monitor())

    def test_a_run_of_a_gpu_is_not_resumed_without_one(self, tmp_path: Path) -> None:
        run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
        gpu = replace(PLAIN, device="cuda")
        (run.path / "precision.json").write_text(json.dumps(gpu.to_dict()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ferboost.cnn.precision.choose_device", lambda: "cpu")
            with pytest.raises(RunError, match="was started on a GPU, and there is none here"):
                execute_run(run, prepared, Monitor())


class TestRefusals:
    """What cannot work is refused before anything is written."""

    @pytest.mark.parametrize(
        ("dataset", "settings", "error"),
        [
            (DATASET.select(DATASET.splits == "test"), SETTINGS, DataError),
            (DATASET.select(DATASET.labels != 1), SETTINGS, DataError),
            (DATASET, run_settings({"filters": (4,) * 9}), SettingsError),
        ],
        ids=["no-train", "missing-class", "no-rows-left"],
    )
    def test_nothing_is_written(
        self, tmp_path: Path, dataset: FaceDataset, settings: Settings, error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            start_run(tmp_path / "run", dataset, settings, "tests")
        assert list(tmp_path.iterdir()) == []

    def test_an_existing_run_is_not_overwritten(self, tmp_path: Path) -> None:
        run, _ = begin(tmp_path / "run", DATASET, SETTINGS)
        before = (run.path / "run.json").read_bytes()
        with pytest.raises(RunError, match="exists already"):
            start_run(run.path, DATASET, run_settings({"epochs": 9}), "tests")
        assert (run.path / "run.json").read_bytes() == before

    def test_a_run_that_another_process_works_on_is_not_executed(self, tmp_path: Path) -> None:
        run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
        with run.lock(), pytest.raises(RunError, match="another process is working on"):
            execute_run(Run.open(run.path), prepared, Monitor())


def test_a_training_that_diverges_says_so_and_leaves_no_network(tmp_path: Path) -> None:
    settings = run_settings({"learning_rate": 1e30})
    run, prepared = begin(tmp_path / "run", DATASET, settings)
    with pytest.raises(TrainingDivergedError):
        execute_run(run, prepared, Monitor())
    assert not list(run.path.rglob("*.safetensors"))


def test_progress_never_goes_back_and_ends_with_everything(tmp_path: Path) -> None:
    stages: dict[str, list[tuple[int, int]]] = {}

    class Noting(Monitor):
        @contextmanager
        def stage(self, description: str) -> Iterator[Tell]:
            told = stages.setdefault(description, [])
            yield lambda done, total, _detail: told.append((done, total))

    run, prepared = begin(tmp_path / "run", DATASET, SETTINGS)
    execute_run(run, prepared, Noting())
    assert list(stages) == [
        "seed 0: CNN",
        "seed 0: what the trees see",
        "seed 0: trees on fc1",
        "seed 0: trees on pixels",
        "seed 0: accuracy on its own images",
        "calibrate",
        "what the CNN knows by heart",
        "evaluate",
    ]
    for told in stages.values():
        done = [done for done, _ in told]
        assert done == sorted(done)
        assert told[-1][0] == told[-1][1] > 0


def test_a_number_format_that_is_set_is_not_measured(tmp_path: Path) -> None:
    settings = run_settings().model_copy(update={"number_format": "bfloat16"})
    run, prepared = start_run(tmp_path / "run", faces(), settings, "ferboost")
    execute_run(run, prepared, Monitor())
    precision = read_precision(run)
    assert (precision.number_format, precision.reason) == ("bfloat16", "as the settings say")
