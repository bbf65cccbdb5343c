import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from ferboost.datasets import FaceDataset
from ferboost.datasets.synthetic import generate_faces
from ferboost.report.data_figures import draw_class_distribution, draw_sample_grid


@pytest.fixture(scope="module")
def faces() -> FaceDataset:
    return generate_faces(10)


def pixels(figure: Figure) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return np.asarray(Image.open(buffer).convert("L"))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_distribution_has_one_labelled_bar_per_class_and_split(faces: FaceDataset) -> None:
    figure = draw_class_distribution(faces.classes, faces.split_counts())
    bars = [bar for bar in figure.axes[0].patches if isinstance(bar, Rectangle)]
    assert [bar.get_width() for bar in bars] == [8] * 7 + [2] * 7
    assert texts(figure) == ["8  (14.3 %)"] * 7 + ["2  (14.3 %)"] * 7


def test_distribution_names_its_axes_classes_and_splits(faces: FaceDataset) -> None:
    figure = draw_class_distribution(faces.classes, faces.split_counts())
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Images per class"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("images (share of the split)", "class")
    assert tuple(label.get_text() for label in axes.get_yticklabels()) == faces.classes
    entries = [text.get_text() for text in figure.legends[0].get_texts()]
    assert entries == ["train, 56 images", "test, 14 images"]


def test_grid_shows_eight_faces_of_each_class(faces: FaceDataset) -> None:
    figure = draw_sample_grid(faces)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "Sample faces (train)"
    assert tuple(label.get_text() for label in axes.get_yticklabels()) == faces.classes
    canvas = np.asarray(axes.images[0].get_array())
    shown = canvas[:48, :48]
    angry = faces.images[(faces.splits == "train") & (faces.labels == 0)]
    assert any((shown == face).all() for face in angry)
    assert canvas.shape == (7 * 50 - 2, 8 * 50 - 2)


def test_grid_is_repeatable_and_changes_with_the_seed(faces: FaceDataset) -> None:
    canvases = [
        np.asarray(draw_sample_grid(faces, seed).axes[0].images[0].get_array())
        for seed in (1, 1, 2)
    ]
    assert (canvases[0] == canvases[1]).all()
    assert (canvases[0] != canvases[2]).any()


def test_figures_render(faces: FaceDataset) -> None:
    distribution = draw_class_distribution(faces.classes, faces.split_counts())
    for figure in (distribution, draw_sample_grid(faces)):
        image = pixels(figure)
        assert image.shape[1] == 420
        assert image.std() > 20


def test_a_class_without_images_is_shown_as_such(faces: FaceDataset) -> None:
    lacking = faces.select(faces.labels != 1)
    assert texts(draw_sample_grid(lacking)) == ["no image"]
    assert "0  (0.0 %)" in texts(draw_class_distribution(lacking.classes, lacking.split_counts()))
    assert pixels(draw_sample_grid(lacking)).std() > 20
    assert pixels(draw_class_distribution(lacking.classes, lacking.split_counts())).std() > 20


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_data_is_no_problem(faces: FaceDataset, count: int) -> None:
    few = faces.select(np.arange(count))
    pixels(draw_sample_grid(few))
    pixels(draw_class_distribution(few.classes, few.split_counts()))
