"""Detectors: one a file, all behind `Watcher`."""
