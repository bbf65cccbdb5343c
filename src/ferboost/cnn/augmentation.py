"""Random changes of a batch of faces, as tensor operations on the whole batch."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["GENTLE", "PUBLISHED", "STRONG", "Augmentation", "augment", "augment_as_published"]


@dataclass(frozen=True)
class Augmentation:
    """How far a face is changed at most; half of the faces are mirrored besides.

    Attributes
    ----------
    rotation, shear : float
        Degrees, either way.
    shift : float
        Share of the side, either way, on each axis.
    zoom : float
        Factors from 1 - `zoom` to 1 + `zoom`, on each axis.
    brightness : float
        The gray values are multiplied by 1 - `brightness` to 1 + `brightness`.
    contrast : float
        The same for their differences from the image's mean.
    occlusion : float
        Share of the faces, 0 to 1, on which a gray rectangle lies, its sides an eighth to 5/12 of
        the image's (DeVries and Taylor, 2017).
    """

    rotation: float
    shear: float
    shift: float
    zoom: float
    brightness: float
    contrast: float = 0.0
    occlusion: float = 0.0


#: Section 3.2 of the study, with the meaning that these numbers have in Keras' ImageDataGenerator:
#: shear is in degrees there, so that 0.2 is next to nothing. The study gives no range for the
#: brightness; 0.8 to 1.2 is ours.
PUBLISHED = Augmentation(rotation=20, shear=0.2, shift=0.2, zoom=0.2, brightness=0.2)

#: Small enough that no part of a tightly cropped face is lost.
GENTLE = Augmentation(rotation=10, shear=3, shift=0.06, zoom=0.1, brightness=0.15, contrast=0.3)

#: For long trainings, which would learn gently changed faces by heart.
STRONG = Augmentation(
    rotation=12, shear=3, shift=0.07, zoom=0.15, brightness=0.15, contrast=0.3, occlusion=0.5
)

_GRAY = 127.5


def augment(images: Tensor, ranges: Augmentation, generator: torch.Generator) -> Tensor:
    """Rotate, shift, shear, zoom, mirror, brighten every image at random, and change its contrast.

    What comes in from outside of the image repeats its border.

    Parameters
    ----------
    images : Tensor, shape (n, 48, 48)
        Gray values from 0 to 255.
    ranges : Augmentation
    generator : torch.Generator
        On the CPU, whatever the device of the images, so that every machine draws the same.

    Returns
    -------
    Tensor of float32, shape (n, 48, 48)
        Gray values from 0 to 255.
    """
    count = len(images)
    if count == 0:  # which affine_grid refuses
        return images.float()

    def uniform(reach: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * reach

    angle, shear = uniform(math.radians(ranges.rotation)), uniform(math.radians(ranges.shear))
    zoom_x, zoom_y = 1 + uniform(ranges.zoom), 1 + uniform(ranges.zoom)
    mirror = torch.where(uniform(1) < 0, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    # Rotation times shear times zoom; coordinates run from -1 to 1, so a shift of 0.2 of the
    # side is 0.4.
    row_x = torch.stack(
        (
            mirror * cosine * zoom_x,
            -(sine * shear.cos() + cosine * shear.sin()) * zoom_y,
            uniform(2 * ranges.shift),
        ),
        dim=1,
    )
    row_y = torch.stack(
        (
            mirror * sine * zoom_x,
            (cosine * shear.cos() - sine * shear.sin()) * zoom_y,
            uniform(2 * ranges.shift),
        ),
        dim=1,
    )
    matrices = torch.stack((row_x, row_y), dim=1).to(images.device)
    grid = functional.affine_grid(matrices, [count, 1, *images.shape[1:]], align_corners=False)
    moved = functional.grid_sample(
        images[:, None].float(), grid, padding_mode="border", align_corners=False
    )[:, 0]
    if ranges.contrast:
        mean = moved.mean(dim=(1, 2), keepdim=True)
        factors = (1 + uniform(ranges.contrast))[:, None, None]
        moved = mean + (moved - mean) * factors.to(images.device)
    factors = (1 + uniform(ranges.brightness))[:, None, None]
    lit = (moved * factors.to(images.device)).clamp(0, 255)
    if not ranges.occlusion:
        return lit
    rows, columns = _rectangles(count, ranges.occlusion, images.shape[1], generator)
    covered = rows.to(images.device)[:, :, None] & columns.to(images.device)[:, None, :]
    return torch.where(covered, _GRAY, lit)


def _rectangles(
    count: int, share: float, side: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return the rows and columns of a random rectangle, if any, bool of shape (count, side)."""
    chosen = torch.rand(count, 1, 1, generator=generator) < share
    lengths = torch.randint(side // 8, 5 * side // 12 + 1, (count, 2, 1), generator=generator)
    centres = torch.rand(count, 2, 1, generator=generator) * side
    inside = (torch.arange(side) + 0.5 - centres).abs() < lengths / 2
    covered = chosen & inside
    return covered[:, 0], covered[:, 1]


def augment_as_published(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return `augment` of the images within the ranges of the study."""
    return augment(images, PUBLISHED, generator)
