"""The templates of everything that is written by filling one."""

import jinja2

__all__ = ["template_environment"]


def template_environment(*, escape: bool = True) -> jinja2.Environment:
    """Return what fills the templates of this package; a name that is missing is an error.

    Parameters
    ----------
    escape : bool
        Whether values are text for HTML; Markdown takes them as they are.
    """
    return jinja2.Environment(
        loader=jinja2.PackageLoader("ferboost", "report"),
        autoescape=escape,  # noqa: S701 - Markdown is no HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
