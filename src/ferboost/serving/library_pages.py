"""What ``ferboost serve --runs`` shows: runs and studies, compared, and their reports."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Query, Response

from ferboost.serving.library import Library, differences
from ferboost.serving.problems import ProblemError
from ferboost.templates import template_environment

__all__ = ["add_library"]

# Reports hold their style and figures in themselves, and run nothing.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def add_library(app: FastAPI, root: Path) -> None:
    """Have an application show the runs and studies in a folder, at ``/runs``."""
    library = Library(root)
    environment = template_environment("serving")
    environment.filters["address"] = lambda name: quote(name, safe="/")
    style = (Path(__file__).parents[1] / "report" / "style.css").read_text("utf-8")

    def show(template: str, **content: object) -> Response:
        page = environment.get_template(template).render(style=style, root=root.name, **content)
        return _html(page)

    @app.get("/runs", include_in_schema=False)
    def index() -> Response:
        """List what there is."""
        return show(
            "library.html.j2",
            runs=library.runs(),
            studies=library.studies(),
            pages_besides=library.pages(),
        )

    @app.get("/runs/compare", include_in_schema=False)
    def compare(run: Annotated[list[str], Query(max_length=20)] = []) -> Response:  # noqa: B006
        """Compare runs with the first of them."""
        known = {entry.name: entry for entry in library.runs()}
        chosen = [known[name] for name in dict.fromkeys(run) if name in known]
        if len(chosen) < 2:
            raise ProblemError(422, "choose two runs or more that are in the list at /runs")
        return show(
            "comparison.html.j2",
            base=chosen[0],
            runs=chosen,
            differences=differences(chosen[0], chosen[1:]),
        )

    @app.get("/runs/files/{name:path}", include_in_schema=False)
    def page(name: str) -> Response:
        """Give a page that a run or a study wrote."""
        path = library.page(name)
        if path is None:
            raise ProblemError(404, "there is no such page; those there are stand at /runs")
        return _html(path.read_bytes())


def _html(content: str | bytes) -> Response:
    return Response(
        content,
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"},
    )
