from typing import Any

import pytest
from pydantic import ValidationError

from ferboost.config import TAPS, Settings
from ferboost.errors import SettingsError
from ferboost.presets import PRESETS
from ferboost.settings import change_settings, load_settings, parse_settings


def refusal(*overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides=overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_defaults_are_the_published_settings() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.protocol == "clean"
    assert settings.cnn.filters == (32, 64, 64)
    assert (settings.cnn.learning_rate, settings.cnn.l2) == (1e-3, 1e-4)
    assert (settings.trees.rounds, settings.trees.max_depth) == (20, 8)
    assert settings.trees.taps == TAPS


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_sound(preset: str) -> None:
    assert load_settings(preset).preset == preset


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("cnn.learning_rate=3e-4", "cnn", "learning_rate", 3e-4),
        ("cnn.epochs=7", "cnn", "epochs", 7),
        (" cnn.epochs = 7 ", "cnn", "epochs", 7),
        ("cnn.filters=[8, 16]", "cnn", "filters", (8, 16)),
        ("cnn.padding=zero", "cnn", "padding", "zero"),
        ('cnn.padding="zero"', "cnn", "padding", "zero"),
        ("cnn.patience=3", "cnn", "patience", 3),
        ("cnn.patience=none", "cnn", "patience", None),
        ("cnn.pooling=none", "cnn", "pooling", "none"),
        ("data.balance=true", "data", "balance", True),
        ('trees.taps=["fc1"]', "trees", "taps", ("fc1",)),
        ("cnn={epochs = 7}", "cnn", "epochs", 7),
    ],
)
def test_values_are_toml_or_plain_words(
    override: str, section: str, field: str, value: object
) -> None:
    assert getattr(getattr(load_settings(overrides=[override]), section), field) == value


def test_the_last_override_wins_and_others_stay() -> None:
    overrides = ["cnn.epochs=5", "cnn.batch_size=32", "cnn.epochs=6"]
    cnn = load_settings(overrides=overrides).cnn
    assert (cnn.epochs, cnn.batch_size, cnn.dropout) == (6, 32, 0.3)


def test_top_level_fields_are_given_by_name() -> None:
    settings = load_settings(protocol="paper", seeds=(3, 4))
    assert (settings.protocol, settings.seeds) == ("paper", (3, 4))


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("cnn.learning_rat=1", "no setting 'cnn.learning_rat'; did you mean learning_rate?"),
        ("cnn.zzz=1", "no setting 'cnn.zzz'; there are: architecture,"),
        ("cnnn.epochs=1", "no setting 'cnnn'; did you mean cnn?"),
        ("data.foo.bar=1", "no setting 'data.foo'"),
        ("cnn.epochs=0", "setting cnn.epochs cannot be 0: "),
        ("cnn.epochs=many", "setting cnn.epochs cannot be 'many': "),
        ("cnn.epochs=", "setting cnn.epochs cannot be ''"),
        ("cnn.epochs=2.5", "setting cnn.epochs cannot be 2.5"),
        ("cnn.learning_rate=nan", "setting cnn.learning_rate cannot be nan"),
        ("cnn.learning_rate=-1", "setting cnn.learning_rate cannot be -1"),
        ("cnn.dropout=1", "setting cnn.dropout cannot be 1"),
        ("cnn.padding=same", "setting cnn.padding cannot be 'same'"),
        ("cnn.dense=[64]", "setting cnn.dense.1 cannot be"),
        ("cnn=3", "setting cnn cannot be 3"),
        ('trees.taps=["fc9"]', "setting trees.taps.0 cannot be 'fc9'"),
        ("seeds=[]", "setting seeds cannot be []"),
        ("seeds=[-1]", "setting seeds.0 cannot be -1"),
        ("data.test_fraction=1", "setting data.test_fraction cannot be 1"),
        ("preset=fast", "--set cannot change the preset"),
        ("cnn.epochs", "--set takes KEY=VALUE, such as cnn.epochs=20; found 'cnn.epochs'"),
        ("=3", "--set takes KEY=VALUE"),
        ("cnn..epochs=3", "--set takes KEY=VALUE"),
        ("", "--set takes KEY=VALUE"),
    ],
)
def test_what_cannot_be_right_is_refused_by_name(override: str, reason: str) -> None:
    assert refusal(override).startswith(reason)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(SettingsError, match="no preset 'slow'; there are: paper"):
        load_settings("slow")


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(SettingsError, match="no setting 'sede'; did you mean seeds"):
        load_settings(sede=(1,))


def test_misuse_has_exit_code_2() -> None:
    assert SettingsError.exit_code == 2


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        Settings().cnn.epochs = 3  # type: ignore[misc]


def test_settings_survive_a_run_directory() -> None:
    settings = load_settings(overrides=["cnn.filters=[4, 8]", "trees.early_stopping=3"])
    assert parse_settings(settings.model_dump(mode="json")) == settings


def test_stored_settings_with_an_unknown_key_are_refused() -> None:
    tree: dict[str, Any] = Settings().model_dump(mode="json")
    tree["cnn"]["colour"] = True
    with pytest.raises(SettingsError, match=r"no setting 'cnn.colour'"):
        parse_settings(tree)


def test_settings_are_changed_into_others() -> None:
    before = load_settings(overrides=["cnn.epochs=3"])
    after = change_settings(before, ["trees.rounds=9"], {"cnn": {"batch_size": 8}})
    assert (after.cnn.epochs, after.cnn.batch_size, after.trees.rounds) == (3, 8, 9)
    assert before.trees.rounds == 20


def test_presets_are_not_changed_by_overrides() -> None:
    before = {name: dict(overrides) for name, overrides in PRESETS.items()}
    load_settings(overrides=["cnn.epochs=1"])
    assert before == PRESETS


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["class_power=0.5"], "to balanced or recall, too"),
        (["class_weights=recall"], "set trees.mode=residual"),
        (["class_weights=recall", "mode=both"], "set trees.mode=residual"),
        (["class_weights=recall", "mode=residual"], "features=held-out or out-of-fold"),
        (["class_weights=balanced", "class_power=0"], "greater than 0"),
        (["class_weights=balanced", "class_power=1.5"], "less than or equal to 1"),
    ],
)
def test_class_weights_that_mean_nothing_are_refused(overrides: list[str], said: str) -> None:
    assert said in refusal(*(f"trees.{override}" for override in overrides))


def test_views_of_images_that_are_left_out_of_centres_are_refused() -> None:
    said = refusal('trees.taps=["fc1-centres"]', "trees.view_rows=true")
    assert "not its views" in said


@pytest.mark.parametrize(
    "override",
    [
        "trees.max_depth=2147483648",
        "trees.gamma=1e308",
        "trees.reg_lambda=1e300",
        "trees.subsample=1e-300",
        "trees.learning_rate=1e-300",
        "cnn.batch_size=999999999999999999999",
        "cnn.epochs=" + "9" * 5000,
        "cnn.filters=" + "[" * 3000,
    ],
    ids=lambda override: override[:24],
)
def test_numbers_that_no_library_takes_are_refused_before_training(override: str) -> None:
    assert override.partition("=")[0] in refusal(override)
