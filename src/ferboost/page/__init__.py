"""The web page that runs a model in the browser: static files, made of ``web/`` by Vite."""

from ferboost.page.files import content_security_policy, page_files, static_files, write_page

__all__ = ["content_security_policy", "page_files", "static_files", "write_page"]
