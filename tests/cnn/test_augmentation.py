"""The published augmentation: every part acts, within its range, and as the generator says."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ferboost.cnn.augmentation import (
    GENTLE,
    PUBLISHED,
    STRONG,
    Augmentation,
    augment,
    augment_as_published,
)

COUNT = 600
NOTHING = Augmentation(rotation=0, shear=0, shift=0, zoom=0, brightness=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spot(row: float, column: float) -> Tensor:
    """Return equal images of a soft bright spot on black."""
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    image = 200 * torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    return image.expand(COUNT, 48, 48)


def centres(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows and columns of the centres of mass, counted from the image's centre."""
    weights = images / images.sum((1, 2), keepdim=True)
    axis = torch.arange(48.0) - 23.5
    return (weights.sum(2) * axis).sum(1), (weights.sum(1) * axis).sum(1)


def only(images: Tensor, **part: float) -> Tensor:
    """Change images by one part of the augmentation alone."""
    return augment(images, replace(NOTHING, **part), generator())


def unmirrored(images: Tensor) -> Tensor:
    """Mirror back what lies on the other side."""
    flipped = centres(images)[1] < 0
    return torch.where(flipped[:, None, None], images.flip(2), images)


def test_gray_values_stay_between_0_and_255() -> None:
    noise = torch.randint(0, 256, (COUNT, 48, 48), generator=generator(), dtype=torch.uint8)
    changed = augment_as_published(noise, generator())
    assert changed.dtype == torch.float32
    assert changed.shape == noise.shape
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_white_stays_within_range_when_it_is_brightened() -> None:
    changed = augment_as_published(torch.full((COUNT, 48, 48), 255.0), generator())
    assert changed.max() == 255
    assert changed.min() == pytest.approx(0.8 * 255, abs=1)


def test_the_generator_alone_decides() -> None:
    images = spot(20, 30)
    torch.manual_seed(1)
    first = augment_as_published(images, generator(5))
    torch.manual_seed(2)
    assert torch.equal(first, augment_as_published(images, generator(5)))
    assert not torch.equal(first, augment_as_published(images, generator(6)))


def test_the_images_given_are_not_changed() -> None:
    images = spot(20, 30).clone()
    before = images.clone()
    augment_as_published(images, generator())
    assert torch.equal(images, before)


def test_no_image_gives_none() -> None:
    assert augment_as_published(torch.zeros(0, 48, 48), generator()).shape == (0, 48, 48)


def test_border_pixels_are_repeated_outside_of_the_image() -> None:
    changed = augment_as_published(torch.full((COUNT, 48, 48), 100.0), generator())
    flat = changed.flatten(1)
    torch.testing.assert_close(flat.amin(1), flat.amax(1))


def test_brightness_is_multiplied_by_0_8_to_1_2() -> None:
    changed = augment_as_published(torch.full((COUNT, 48, 48), 100.0), generator())
    factors = changed.mean((1, 2)) / 100
    assert factors.min() == pytest.approx(0.8, abs=0.01)
    assert factors.max() == pytest.approx(1.2, abs=0.01)
    assert float(factors.mean()) == pytest.approx(1, abs=0.02)


def test_without_its_parts_an_image_is_left_as_it_is_or_mirrored() -> None:
    images = spot(20, 34)
    changed = only(images)
    torch.testing.assert_close(unmirrored(changed), images, atol=1e-2, rtol=0)


def test_about_half_of_the_images_are_mirrored() -> None:
    changed = only(spot(20, 34))
    share = float((centres(changed)[1] < 0).float().mean())
    assert abs(share - 0.5) < 4 * math.sqrt(0.25 / COUNT)


def test_shift_moves_up_to_a_fifth_of_the_side_both_ways() -> None:
    rows, columns = centres(only(spot(23.5, 23.5), shift=PUBLISHED.shift))
    for moved in (rows, columns):
        assert float(moved.min()) == pytest.approx(-9.6, abs=0.3)
        assert float(moved.max()) == pytest.approx(9.6, abs=0.3)
        assert float(moved.abs().mean()) == pytest.approx(4.8, abs=0.5)
    assert abs(float(torch.corrcoef(torch.stack((rows, columns)))[0, 1])) < 0.15


def test_rotation_turns_up_to_20_degrees_both_ways() -> None:
    rows, columns = centres(unmirrored(only(spot(23.5, 37.5), rotation=PUBLISHED.rotation)))
    degrees = torch.rad2deg(torch.atan2(rows, columns))
    assert float(degrees.min()) == pytest.approx(-20, abs=0.5)
    assert float(degrees.max()) == pytest.approx(20, abs=0.5)
    assert float(degrees.abs().mean()) == pytest.approx(10, abs=1)
    torch.testing.assert_close(rows.hypot(columns), torch.full((COUNT,), 14.0), atol=0.1, rtol=0)


def test_zoom_scales_each_axis_by_itself() -> None:
    rows, columns = centres(unmirrored(only(spot(33.5, 33.5), zoom=PUBLISHED.zoom)))
    for moved in (rows, columns):
        # A sampling grid that is 0.8 to 1.2 times as wide shows things 1.25 to 0.83 times as large.
        assert float(moved.min()) == pytest.approx(10 / 1.2, abs=0.2)
        assert float(moved.max()) == pytest.approx(10 / 0.8, abs=0.2)
    assert abs(float(torch.corrcoef(torch.stack((rows, columns)))[0, 1])) < 0.15


def test_shear_slants_by_its_angle() -> None:
    above = unmirrored(only(spot(9.5, 37.5), shear=20))
    rows, columns = centres(above)
    # Column 14 of the face is seen 14 rows up, where the grid is slanted by up to tan(20) * 14.
    reach = math.tan(math.radians(20)) * 14
    assert float(columns.min()) == pytest.approx(14 - reach, abs=0.3)
    assert float(columns.max()) == pytest.approx(14 + reach, abs=0.3)


def test_the_published_shear_is_next_to_nothing() -> None:
    columns = centres(unmirrored(only(spot(9.5, 37.5), shear=PUBLISHED.shear)))[1]
    # 0.2 degrees at 14 rows are 0.05 pixels.
    assert float((columns - 14).abs().max()) == pytest.approx(0.05, abs=0.02)


def test_contrast_spreads_the_gray_values_about_their_mean() -> None:
    images = 100 + 20 * torch.randn(COUNT, 48, 48, generator=generator())
    changed = only(images, contrast=0.3)
    torch.testing.assert_close(changed.mean((1, 2)), images.mean((1, 2)), atol=0.5, rtol=0)
    factors = changed.std((1, 2)) / images.std((1, 2))
    assert float(factors.min()) == pytest.approx(0.7, abs=0.03)
    assert float(factors.max()) == pytest.approx(1.3, abs=0.03)


def test_the_gentle_augmentation_moves_a_face_less_than_the_published_one() -> None:
    def reach(ranges: Augmentation) -> float:
        rows, columns = centres(augment(spot(23.5, 23.5), ranges, generator()))
        return float(rows.hypot(columns).max())

    assert reach(GENTLE) < 0.5 * reach(PUBLISHED)


def test_a_gray_rectangle_lies_on_about_the_asked_share_of_the_faces() -> None:
    covered = only(torch.zeros(COUNT, 48, 48), occlusion=0.5) > 0
    touched = covered.any(2).any(1)
    assert 0.4 < touched.float().mean() < 0.6
    for image in covered[touched]:
        rows, columns = image.any(1), image.any(0)
        assert torch.equal(image, rows[:, None] & columns)  # filled, without gaps
        assert rows.sum() <= 20
        assert columns.sum() <= 20


def test_the_strong_augmentation_stays_within_the_gray_values() -> None:
    noise = torch.randint(0, 256, (COUNT, 48, 48), generator=generator(), dtype=torch.uint8)
    changed = augment(noise, STRONG, generator())
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert (changed == 127.5).float().mean() > 0.02
