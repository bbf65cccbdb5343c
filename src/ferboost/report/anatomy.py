"""Figures of a model's inside: its first filters, what its layers make of a face."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ferboost.report.style import INK, new_axes, plain_text

__all__ = ["plot_feature_maps", "plot_filters"]

_MAPS_SHOWN = 6
#: Height of a row of maps and its name, in widths of a map.
_ROW_HEIGHT = 1.32
_FILTER_COLUMNS = 8


def plot_feature_maps(
    face: NDArray[np.uint8], feature_maps: Sequence[tuple[str, NDArray[np.float32]]]
) -> Figure:
    """Draw a face and what each layer makes of it.

    Parameters
    ----------
    face : ndarray of uint8, shape (height, width)
    feature_maps : sequence of (str, ndarray of float32, shape (channels, height, width))
        Names and activations of the layers, input side first. Of each layer the channels that
        vary most over the face are shown, every one in its own range from black to white.
    """
    layers = [("input", face[None].astype(np.float32)), *feature_maps]
    figure, axes = new_axes(
        "One face through the layers", height=0.4 + 0.88 * len(layers), grid="none"
    )
    for row, (name, activations) in enumerate(layers):
        top = _ROW_HEIGHT * row
        order = np.argsort(-activations.std(axis=(1, 2)), kind="stable")[:_MAPS_SHOWN]
        for column, channel in enumerate(order):
            axes.imshow(
                activations[channel],
                cmap="gray",
                interpolation="none",
                extent=(column, column + 0.94, top + 0.94, top),
            )
        count, height, width = activations.shape
        maps = f"{count} maps, " if count > 1 else ""
        text = f"{plain_text(name)}: {maps}{height} by {width}"
        axes.text(0, top - 0.05, text, fontsize=9.5, color=INK)
    axes.set_xlim(0, _MAPS_SHOWN)
    axes.set_ylim(_ROW_HEIGHT * len(layers), -0.25)
    axes.set_axis_off()
    return figure


def plot_filters(filters: NDArray[np.float32]) -> Figure:
    """Draw the filters of the first convolution.

    Parameters
    ----------
    filters : ndarray of float32, shape (filters, height, width)
    """
    rows = -(-len(filters) // _FILTER_COLUMNS)
    figure, axes = new_axes(
        f"The {len(filters)} filters of the first convolution",
        height=0.5 + 0.44 * rows,
        grid="none",
    )
    greatest = float(np.abs(filters).max()) or 1.0
    for index, weights in enumerate(filters):
        row, column = divmod(index, _FILTER_COLUMNS)
        image = axes.imshow(
            weights,
            cmap="RdBu_r",
            vmin=-greatest,
            vmax=greatest,
            interpolation="none",
            extent=(column, column + 0.85, row + 0.85, row),
        )
    axes.set_xlim(0, _FILTER_COLUMNS)
    axes.set_ylim(rows, 0)
    axes.set_axis_off()
    figure.colorbar(image, ax=axes, aspect=12, pad=0.03, shrink=0.8).set_label("Weight", color=INK)
    return figure
