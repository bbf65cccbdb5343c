"""Random changes of a batch of faces, as tensor operations on the whole batch."""

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment_as_published"]

# Section 3.2 of the study, with the meaning that these numbers have in Keras' ImageDataGenerator:
# shear is in degrees there, so that 0.2 is next to nothing. The study gives no range for the
# brightness; 0.8 to 1.2 is ours.
_ROTATION = math.radians(20)
_SHIFT = 0.2
_SHEAR = math.radians(0.2)
_ZOOM = 0.2
_BRIGHTNESS = 0.2


def augment_as_published(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate, shift, shear, zoom, mirror and brighten every image at random, as the study did.

    Rotation up to 20 degrees, shift up to 0.2 of the side, shear up to 0.2 degrees, zoom by 0.8 to
    1.2 on each axis, mirrored half of the time, brightness times 0.8 to 1.2. What comes in from
    outside of the image repeats its border.

    Parameters
    ----------
    images : Tensor, shape (n, 48, 48)
        Gray values from 0 to 255.
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
        draw = torch.rand(count, generator=generator) * 2 - 1
        return (draw * reach).to(images.device)

    angle, shear = uniform(_ROTATION), uniform(_SHEAR)
    zoom_x, zoom_y = 1 + uniform(_ZOOM), 1 + uniform(_ZOOM)
    mirror = torch.where(uniform(1) < 0, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    # Rotation times shear times zoom; coordinates run from -1 to 1, so a shift of 0.2 of the
    # side is 0.4.
    row_x = torch.stack(
        (
            mirror * cosine * zoom_x,
            -(sine * shear.cos() + cosine * shear.sin()) * zoom_y,
            uniform(2 * _SHIFT),
        ),
        dim=1,
    )
    row_y = torch.stack(
        (
            mirror * sine * zoom_x,
            (cosine * shear.cos() - sine * shear.sin()) * zoom_y,
            uniform(2 * _SHIFT),
        ),
        dim=1,
    )
    grid = functional.affine_grid(
        torch.stack((row_x, row_y), dim=1), [count, 1, *images.shape[1:]], align_corners=False
    )
    moved = functional.grid_sample(
        images[:, None].float(), grid, padding_mode="border", align_corners=False
    )[:, 0]
    return (moved * (1 + uniform(_BRIGHTNESS))[:, None, None]).clamp(0, 255)
