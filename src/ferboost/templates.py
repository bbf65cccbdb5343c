"""The templates of everything that is written by filling one."""

import jinja2

__all__ = ["template_environment"]


def template_environment(folder: str = "report", *, escape: bool = True) -> jinja2.Environment:
    """Return what fills the templates in a folder of ferboost; a name that is missing is an error.

    Parameters
    ----------
    folder : str
    escape : bool
        Whether values are text for HTML; Markdown takes them as they are.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ferboost", folder),
        autoescape=escape,  # noqa: S701 - Markdown is no HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
