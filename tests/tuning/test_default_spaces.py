"""What is searched where nobody says what."""

import pytest

from ferboost.presets import PRESETS
from ferboost.settings import load_settings
from ferboost.tuning import Choices
from ferboost.tuning.default_spaces import default_space


@pytest.mark.parametrize("trees", [False, True])
@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_searched_by_default_goes_with_every_preset(preset: str, trees: bool) -> None:
    settings = load_settings(preset)
    space = default_space(settings, trees=trees)
    for end in (0, -1):
        point = {
            name: known.values[end] if isinstance(known, Choices) else (known.low, known.high)[end]
            for name, known in space.parameters.items()
        }
        assert space.apply(settings, point) != settings
        assert all(name.startswith("trees." if trees else "cnn.") for name in point)
