"""Services that tests of several areas share. Each is a skip on a laptop and a failure in CI where it is missing."""

from __future__ import annotations

import os

from hypothesis import settings

# CI answers whether this change is sound: the same examples each time. On a laptop every run looks elsewhere.
settings.register_profile("ci", derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

pytest_plugins = ["services", "postgres_server", "prometheus_server"]
