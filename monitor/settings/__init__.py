"""What can be set: `overloop.toml`, the environment, flags. All have defaults; a mistake is named, not ignored."""

from monitor.settings.errors import SettingsError
from monitor.settings.load import load
from monitor.settings.model import Settings

__all__ = ["Settings", "SettingsError", "load"]
