"""A user's module that needs something which is not installed."""

import not_installed  # noqa: F401
