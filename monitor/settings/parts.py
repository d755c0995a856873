"""What the parts of the daemon are given of the settings, in their own types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import monitor
from monitor.core.notices.routes import SCHEDULE
from monitor.core.rules.model import ModelOptions, Scalar
from monitor.settings.model import Settings

if TYPE_CHECKING:
    from monitor.spool import Options


def model_options(settings: Settings) -> tuple[tuple[str, ModelOptions], ...]:
    """What the rule book holds of [models]: glob -> options, the first match wins."""
    return tuple(
        (pattern, ModelOptions(m.time, m.lateness, m.false_pages, m.truth, m.matures))
        for pattern, m in settings.models.items()
    )


def parameters(settings: Settings) -> tuple[tuple[str, Mapping[str, Mapping[str, Scalar]]], ...]:
    """What packs are given per model: glob -> pack -> parameter -> value, the first match wins."""
    return tuple((pattern, m.params) for pattern, m in settings.models.items() if m.params)


def spool_options(settings: Settings) -> Options:
    """How much the spool keeps, and in files of what size."""
    from monitor.spool import Limits, Options, Retention  # not at the top: a command on rules does without the spool

    kept = settings.spool
    return Options(
        limits=Limits(segment_bytes=kept.segment_mb << 20),
        retention=Retention(seconds=kept.retain_days * 86_400.0, bytes_=int(kept.retain_gb * (1 << 30))),
    )


def rule_folders(settings: Settings) -> tuple[Path, ...]:
    """Where packs are read from: those named, else the shipped ones."""
    return settings.rules or (shipped("_rules", "rules"),)


def shipped(inside: str, beside: str) -> Path:
    """A folder that travels inside the wheel as `monitor/<inside>` and stands in a checkout as `<beside>`."""
    package = Path(monitor.__file__).parent
    return package / inside if (package / inside).is_dir() else package.parent / beside


def remarks(settings: Settings) -> list[str]:
    """What a person should know of settings that are allowed, in sentences."""
    said = []
    if not settings.loopback and settings.tls_cert is None:
        said.append(
            f"The daemon listens on {settings.listen} without TLS: tokens and events cross the network in the clear. "
            "Set tls_cert and tls_key, or listen on 127.0.0.1 behind a proxy that speaks TLS."
        )
    if not settings.loopback and settings.public_url is None:
        said.append(f"Links in messages lead to {settings.url}: set public_url if people reach it elsewhere.")
    if settings.partitions > 1 and any("model" not in rule.equal for rule in settings.inhibit_rules):
        said.append(
            f"With {settings.partitions} partitions an incident of one model holds back those of another only where "
            'both are in the same partition: name "model" in `equal` of each inhibit rule, or have one partition.'
        )
    used = _used(settings)
    for name in settings.receivers if settings.routes else ():
        if name not in used:
            said.append(f'No route leads to the receiver "{name}", so it is never told of anything.')
    return said


def _used(settings: Settings) -> set[str]:
    """Receivers that some route may call: by name, by its policy, by a schedule in either, as a fallback."""
    names = {name for route in settings.routes for name in route.receivers}
    policies = {route.policy for route in settings.routes if route.policy is not None}
    names |= {name for policy in policies for step in settings.policies[policy].steps for name in step.receivers}
    for schedule in [settings.schedules[name.removeprefix(SCHEDULE)] for name in names if name.startswith(SCHEDULE)]:
        names |= {name for rotation in schedule.rotations for name in rotation.receivers}
        names |= {override.receiver for override in schedule.overrides}
    return names | {receiver.fallback for receiver in settings.receivers.values() if receiver.fallback is not None}
