"""Durable append by partition, read after an offset, retention."""

from monitor.spool.errors import SpoolBusy, SpoolDamaged, SpoolError, SpoolFull, SpoolUnusable
from monitor.spool.model import Flags, Lines, Oldest, Post, Receipt, Record, Totals, id_hash, id_hashes, partition_of
from monitor.spool.repair import move_up, set_aside
from monitor.spool.retention import Retention
from monitor.spool.spool import Options, Spool
from monitor.spool.writing import Limits

__all__ = [
    "Flags",
    "Limits",
    "Lines",
    "Oldest",
    "Options",
    "Post",
    "Receipt",
    "Record",
    "Retention",
    "Spool",
    "SpoolBusy",
    "SpoolDamaged",
    "SpoolError",
    "SpoolFull",
    "SpoolUnusable",
    "Totals",
    "id_hash",
    "id_hashes",
    "move_up",
    "partition_of",
    "set_aside",
]
