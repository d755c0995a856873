"""Services that tests of several areas share. Each is a skip on a laptop and a failure in CI where it is missing."""

from __future__ import annotations

pytest_plugins = ["services", "postgres_server", "prometheus_server"]
