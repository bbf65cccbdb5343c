"""The commands, put together."""

from typing import Annotated

import typer

from ferboost.cli import (
    data,
    drift,
    evaluation,
    explaining,
    exporting,
    labels,
    page,
    prediction,
    reproduction,
    serving,
    settings,
    training,
    trust,
    tuning,
)

__all__ = ["app"]

app = typer.Typer(
    name="ferboost",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


@app.callback(
    invoke_without_command=True,
    epilog="Try it without any data: ferboost demo",
)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Facial emotion recognition with gradient boosted CNNs."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"ferboost {version_of('ferboost')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command(epilog=training.TRAIN_EXAMPLES)(training.train)
app.command(epilog=training.BOOST_EXAMPLES)(training.boost)
app.command(epilog=tuning.TUNE_EXAMPLES)(tuning.tune)
app.command(epilog=reproduction.REPRODUCE_EXAMPLES)(reproduction.reproduce)
app.command(epilog=evaluation.EVALUATE_EXAMPLES)(evaluation.evaluate)
app.command(epilog=evaluation.COMPARE_EXAMPLES)(evaluation.compare)
app.command(epilog=trust.CALIBRATE_EXAMPLES)(trust.calibrate)
app.command(epilog=trust.ROBUSTNESS_EXAMPLES)(trust.robustness)
app.command(epilog=explaining.EXPLAIN_EXAMPLES)(explaining.explain)
app.command(epilog=labels.LABELS_EXAMPLES)(labels.labels)
app.command(epilog=drift.DRIFT_EXAMPLES)(drift.drift)
app.command(epilog=exporting.EXPORT_EXAMPLES)(exporting.export)
app.command(epilog=prediction.PREDICT_EXAMPLES)(prediction.predict)
app.command(epilog=serving.SERVE_EXAMPLES)(serving.serve)
app.command(epilog=page.PAGE_EXAMPLES)(page.page)
app.command()(training.report)
app.command(epilog=training.CARD_EXAMPLES)(training.card)
app.command(epilog=settings.SETTINGS_EXAMPLES)(settings.settings)
app.command()(training.demo)
app.add_typer(data.app, name="data")
