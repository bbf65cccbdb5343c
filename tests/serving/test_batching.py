"""Faces of several clients are predicted together, in turns, and each gets its own answer."""

from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Event, get_ident

import numpy as np
import pytest
from numpy.typing import NDArray

from ferboost.serving.batching import Batcher


def faces(*values: int) -> NDArray[np.uint8]:
    """Return a face of one gray for each value."""
    return np.broadcast_to(np.array(values, np.uint8)[:, None, None], (len(values), 48, 48))


class Model:
    """Says of each face how bright it is; waits while `gate` is closed, and notes its batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.gate = Event()
        self.gate.set()
        self.began = Event()

    def __call__(self, given: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.began.set()
        assert self.gate.wait(10)
        self.threads.add(get_ident())
        grays = given[:, 0, 0]
        self.batches.append(grays.tolist())
        if 13 in grays:
            raise ValueError("unlucky")
        return grays[:, None].astype(np.float32)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def batcher(model: Model) -> Iterator[Batcher]:
    batcher = Batcher(model, largest=4)
    yield batcher
    model.gate.set()
    batcher.close()


def occupy(model: Model, batcher: Batcher) -> None:
    """Have the model wait with a batch of one face."""
    model.gate.clear()
    batcher.submit(faces(99))
    assert model.began.wait(10)


def test_what_waits_is_one_batch(model: Model, batcher: Batcher) -> None:
    occupy(model, batcher)
    futures = [batcher.submit(faces(1)), batcher.submit(faces(2, 3)), batcher.submit(faces(4))]
    model.gate.set()
    assert [future.result(10).tolist() for future in futures] == [[[1]], [[2], [3]], [[4]]]
    assert model.batches == [[99], [1, 2, 3, 4]]


def test_of_who_brings_much_one_batch_is_taken_in_each_turn(model: Model, batcher: Batcher) -> None:
    occupy(model, batcher)
    many, few = batcher.submit(faces(*range(20, 29))), batcher.submit(faces(1, 2))
    model.gate.set()
    assert few.result(10).tolist() == [[1], [2]]
    assert many.result(10)[:, 0].tolist() == list(range(20, 29))
    assert model.batches == [[99], [20, 21, 22, 23], [1, 2, 24, 25], [26, 27, 28]]


def test_a_failure_is_that_of_its_batch_alone(model: Model, batcher: Batcher) -> None:
    occupy(model, batcher)
    failing = batcher.submit(faces(13, 1, 2, 3, 4, 5, 6, 7, 8))
    model.gate.set()
    with pytest.raises(ValueError, match="unlucky"):
        failing.result(10)
    assert batcher.submit(faces(1)).result(10).tolist() == [[1]]
    assert model.batches == [[99], [13, 1, 2, 3], [1]]
    assert batcher.is_alive


def test_what_is_cancelled_is_not_predicted(model: Model, batcher: Batcher) -> None:
    occupy(model, batcher)
    cancelled, kept = batcher.submit(faces(1)), batcher.submit(faces(2))
    assert cancelled.cancel()
    model.gate.set()
    assert kept.result(10).tolist() == [[2]]
    with pytest.raises(CancelledError):
        cancelled.result(10)
    assert model.batches == [[99], [2]]


def test_closing_finishes_what_waits(model: Model) -> None:
    batcher = Batcher(model, largest=4)
    occupy(model, batcher)
    waiting = batcher.submit(faces(*range(10)))
    model.gate.set()
    batcher.close()
    assert waiting.result(0)[:, 0].tolist() == list(range(10))
    assert not batcher.is_alive
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(faces(1))


def test_many_threads_get_each_their_own(model: Model, batcher: Batcher) -> None:
    generator = np.random.default_rng(0)
    given = [generator.integers(20, 256, generator.integers(1, 11)).tolist() for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda grays: batcher.submit(faces(*grays)).result(10), given))
    assert [answer[:, 0].tolist() for answer in answers] == given
    assert len(model.threads) == 1
    assert max(map(len, model.batches)) <= 4
    assert len(model.batches) < sum(map(len, given))


def test_the_sizes_of_batches_are_told(model: Model) -> None:
    sizes: list[int] = []
    batcher = Batcher(model, largest=4, on_batch=sizes.append)
    batcher.submit(faces(1, 2, 3, 4, 5)).result(10)
    batcher.close()
    assert sizes == [4, 1]
