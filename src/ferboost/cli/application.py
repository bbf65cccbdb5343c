"""The commands, put together."""

from typing import Annotated

import typer

from ferboost.cli import data, evaluation, training

__all__ = ["app"]

app = typer.Typer(
    name="ferboost",
    help="Facial emotion recognition with gradient boosted CNNs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ferboost {version('ferboost')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Facial emotion recognition with gradient boosted CNNs."""
    _print_version(wanted=version)


app.command("train")(training.train)
app.command("boost")(training.boost)
app.command("evaluate")(evaluation.evaluate)
app.command("compare")(evaluation.compare)
app.command("predict")(evaluation.predict)
app.command("report")(training.report)
app.command("demo")(training.demo)
app.add_typer(data.app, name="data")
