"""Evaluating a run on other data, and its kept results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ferboost.datasets.dataset import FaceDataset
from ferboost.errors import DataError, RunError, SettingsError
from ferboost.evaluation.results import Results
from ferboost.pipeline import evaluate_run, evaluating, execute_run, load_results
from ferboost.progress import Monitor
from ferboost.runs import Run
from tiny import begin, faces, finish, run_settings

DATASET = faces()
SETTINGS = run_settings(seeds=(0, 1))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Results]:
    return finish(tmp_path_factory.mktemp("evaluating") / "run", DATASET, SETTINGS)


@pytest.fixture
def own(tmp_path: Path) -> Run:
    """Return a finished run that a test may damage."""
    return finish(tmp_path / "own", DATASET, SETTINGS)[0]


def evaluate(run: Run, dataset: FaceDataset) -> Results:
    return evaluate_run(run, dataset, Monitor())


class TestEvaluation:
    def test_a_test_split_alone_will_do(self, finished: tuple[Run, Results]) -> None:
        run, results = finished
        found = evaluate(run, DATASET.split("test"))
        np.testing.assert_array_equal(found.labels, results.labels)
        for ours, theirs in zip(found.seeds, results.seeds, strict=True):
            for variant in results.variants:
                np.testing.assert_array_equal(
                    ours.probabilities[variant], theirs.probabilities[variant]
                )

    def test_some_variants_alone_are_evaluated_untimed(
        self, finished: tuple[Run, Results], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run, results = finished
        monkeypatch.delattr(evaluating, "time_predictions")
        test = DATASET.split("test")
        found = evaluate_run(run, test, Monitor(), variants=["pixels"], timed=False)
        assert found.variants == ("pixels",)
        for ours, theirs in zip(found.seeds, results.seeds, strict=True):
            np.testing.assert_array_equal(
                ours.probabilities["pixels"], theirs.probabilities["pixels"]
            )
            assert np.isnan(ours.predict_times["pixels"].whole)
        with pytest.raises(SettingsError, match="has no variant 'fc9'; it has: cnn, "):
            evaluate_run(run, test, Monitor(), variants=["fc9"])

    def test_data_with_fewer_classes_in_another_order_is_matched_by_name(
        self, finished: tuple[Run, Results]
    ) -> None:
        test = DATASET.split("test")
        some = test.select(test.labels != 1).with_classes(("surprised", "happy"))
        found = evaluate(finished[0], some)
        assert found.classes == DATASET.classes
        np.testing.assert_array_equal(found.labels, test.labels[test.labels != 1])

    def test_a_class_that_the_run_does_not_know_is_refused(
        self, finished: tuple[Run, Results]
    ) -> None:
        stranger = replace(DATASET.split("test"), classes=("happy", "bored", "surprised"))
        with pytest.raises(DataError, match="has the class 'bored', which is not one of happy"):
            evaluate(finished[0], stranger)

    def test_images_that_the_models_were_made_with_are_not_clean(
        self, finished: tuple[Run, Results]
    ) -> None:
        found = evaluate(finished[0], DATASET)
        assert found.clean is not None
        np.testing.assert_array_equal(found.clean, DATASET.splits == "test")

    def test_a_test_image_that_is_a_copy_of_a_training_image_is_not_clean(
        self, tmp_path: Path
    ) -> None:
        images = DATASET.images.copy()
        test, train = (np.flatnonzero(DATASET.splits == s) for s in ("test", "train"))
        images[test[2]] = images[train[5]]
        _, results = finish(tmp_path / "run", replace(DATASET, images=images), SETTINGS)
        assert results.clean is not None
        assert np.flatnonzero(~results.clean).tolist() == [2]

    def test_an_unfinished_run_is_refused_with_the_way_to_go_on(self, tmp_path: Path) -> None:
        run, _ = begin(tmp_path / "run", DATASET, SETTINGS)
        with pytest.raises(
            RunError, match=r"is not finished .*go on with: ferboost train --resume"
        ):
            evaluate(run, DATASET)

    def test_lost_training_hashes_are_an_error_and_not_a_clean_bill(self, own: Run) -> None:
        (own.path / "training-hashes.npy").write_bytes(b"lost")
        with pytest.raises(RunError, match=r"training-hashes\.npy"):
            evaluate(own, DATASET)


class TestKeptResults:
    def test_results_survive_their_files(self, finished: tuple[Run, Results]) -> None:
        run, expected = finished
        found = load_results(Run.open(run.path))
        assert found.classes == expected.classes
        assert found.images == expected.images == DATASET.split("test").order_fingerprint
        assert found.images != DATASET.split("train").order_fingerprint
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.clean is not None
        assert expected.clean is not None
        np.testing.assert_array_equal(found.clean, expected.clean)
        for ours, theirs in zip(found.seeds, expected.seeds, strict=True):
            assert (ours.seed, ours.history, ours.best_epoch) == (
                theirs.seed,
                theirs.history,
                theirs.best_epoch,
            )
            assert ours.train_accuracy == theirs.train_accuracy
            assert ours.predict_times == theirs.predict_times
            assert list(ours.probabilities) == list(theirs.probabilities)
            for variant, probabilities in ours.probabilities.items():
                np.testing.assert_array_equal(probabilities, theirs.probabilities[variant])

    def test_an_unfinished_run_has_none(self, tmp_path: Path) -> None:
        run, _ = begin(tmp_path / "run", DATASET, SETTINGS)
        with pytest.raises(RunError, match=r"is not finished; go on with: ferboost train --resume"):
            load_results(run)

    @pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "incomplete"])
    def test_a_damaged_file_is_refused_with_the_way_to_mend_it(self, own: Run, damage: str) -> None:
        path = own.path / "predictions.npz"
        content = bytearray(path.read_bytes())
        if damage == "flipped":
            content[60] ^= 255
        if damage == "incomplete":
            np.savez(path, labels=np.zeros(3))
        else:
            keep = {"cut": len(content) // 2, "flipped": len(content), "empty": 0}[damage]
            path.write_bytes(content[:keep])
        with pytest.raises(RunError, match=r"predictions\.npz is damaged .*remove it") as caught:
            load_results(own)
        assert "\n" not in str(caught.value)
        path.unlink()
        execute_run(own, _prepared(own), Monitor())
        assert len(load_results(own).seeds) == 2


def _prepared(run: Run) -> FaceDataset:
    from ferboost.pipeline import resume_run

    return resume_run(run.path, DATASET)[1]
