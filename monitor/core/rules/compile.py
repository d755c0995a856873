"""Documents of all packs -> the `Book` in force, and its source: what the ledger keeps to make it again.

YAML is an edge, so a document comes in as nodes. The way of a reload, and of a book read back from the ledger:
`documents = [load(text, file) for file, text in source.files.items()]`, then `make_book(source, documents)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import rfc8785

from monitor.core.rules.diagnose import Diagnostic, meant, nearest
from monitor.core.rules.model import Book, ModelOptions, Pack, Scalar
from monitor.core.rules.nodes import Document
from monitor.core.rules.parse import parse_pack

Params = Mapping[str, Mapping[str, Scalar]]  # pack -> name -> value


@dataclass(frozen=True, slots=True)
class Source:
    """Everything a book is made of: rule files by name, and what `overloop.toml` says of models.

    File names should be relative (`card-fraud/pack.yaml`): they are part of the digest. Of several globs that match
    a model the first counts, for `params` pack by pack.
    """

    files: Mapping[str, str]
    params: tuple[tuple[str, Params], ...] = ()  # model glob -> pack -> name -> value
    options: tuple[tuple[str, ModelOptions], ...] = ()  # model glob -> options
    settings: str = field(default="overloop.toml", compare=False)  # how messages name the file of the last two

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; `from_json` gives an equal source."""
        return {
            "v": 1,
            "files": dict(self.files),
            "params": [[glob, {pack: dict(values) for pack, values in packs.items()}] for glob, packs in self.params],
            "options": [[glob, asdict(options)] for glob, options in self.options],
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Source:
        """Raises ValueError on a version this program does not read."""
        if saved.get("v") != 1:
            raise ValueError(f"the rule book has version {saved.get('v')!r}; this program reads version 1")
        return cls(
            dict(saved["files"]),
            tuple((glob, packs) for glob, packs in saved["params"]),
            tuple((glob, ModelOptions(**options)) for glob, options in saved["options"]),
        )

    @property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON (RFC 8785)."""
        return hashlib.sha256(rfc8785.dumps(self.to_json())).hexdigest()


def make_book(source: Source, documents: Sequence[Document]) -> tuple[Book | None, list[Diagnostic]]:
    """The book of all documents. None exactly when there is an error among the diagnostics."""
    found: list[Diagnostic] = []
    packs: dict[str, tuple[Pack, Document]] = {}
    for document in documents:
        pack, problems = parse_pack(document)
        found += problems
        if pack is not None and pack.name in packs:
            found.append(_twice(pack, packs[pack.name][0], document))
        elif pack is not None:
            packs[pack.name] = pack, document
    variants: list[tuple[str, Pack]] = []
    if len(packs) == len(documents):
        found += _odd_values(source)
        variants = list(_variants(source, packs, found))
    if any(d.severity == "error" for d in found):
        return None, found
    ordered = tuple(packs[name][0] for name in sorted(packs))
    return Book(ordered, source.digest, source.options, tuple(variants)), found


def _variants(
    source: Source, packs: Mapping[str, tuple[Pack, Document]], found: list[Diagnostic]
) -> Iterable[tuple[str, Pack]]:
    """Each pack read once more under the params of each glob. Everything is checked at load, nothing later."""
    for glob, by_pack in source.params:
        for name, values in by_pack.items():
            where = f"the params of pack {name} for models {glob}"
            if name not in packs:
                found.append(_setting(source, f"There is no pack `{name}` to set params of.", meant(name, packs)))
                continue
            pack, document = packs[name]
            unknown = [param for param in values if param not in pack.params]
            found += [_unknown(source, param, where, pack) for param in unknown]
            variant, problems = parse_pack(document, values, under=f" This is so under {where}.")
            found += [p for p in problems if p.severity == "error"]
            if variant is not None:
                yield glob, variant


def _odd_values(source: Source) -> list[Diagnostic]:
    """Values that canonical JSON has no form for, or no certain one."""
    return [
        _setting(source, f"The param `{param}` of pack `{pack}` is no text, truth value or usual number.", "Change it.")
        for _, by_pack in source.params
        for pack, values in by_pack.items()
        for param, value in values.items()
        if not isinstance(value, str | bool | int | float)
        or (isinstance(value, int | float) and not -(2.0**53) < value < 2.0**53)
    ]


def _unknown(source: Source, param: str, where: str, pack: Pack) -> Diagnostic:
    fix = meant(param, pack.params) if pack.params else f"The pack has no params; add them in {pack.file}."
    return _setting(source, f"`{param}` in {where} is no param of the pack.", fix, nearest(param, pack.params))


def _setting(source: Source, message: str, fix: str, near: str | None = None) -> Diagnostic:
    return Diagnostic("error", source.settings, 1, 1, message, fix, nearest=near)


def _twice(pack: Pack, first: Pack, document: Document) -> Diagnostic:
    message = f"The pack `{pack.name}` is in {first.file} too."
    return Diagnostic("error", document.file, 1, 1, message, "Give each pack its own name.", document.line(1))
