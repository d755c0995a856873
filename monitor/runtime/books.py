"""Rule books: load everything, then swap; keep the old one when anything is wrong."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from monitor.core.rules.compile import Params, Source, make_book
from monitor.core.rules.diagnose import Diagnostic, render
from monitor.core.rules.model import Book, ModelOptions, Pack
from monitor.core.rules.nodes import Document
from monitor.core.rules.parse_tests import parse_tests
from monitor.core.rules.testfile import PackTest
from monitor.formats.yaml_nodes import load as load_yaml
from monitor.store.database import Database
from monitor.store.facts import set_fact
from monitor.store.ledger import bump_desk, get_book, put_book, want_mark

EMPTY = Book((), "")


class BookRefused(Exception):  # noqa: N818 - an answer to whoever asked for a reload
    """The rules cannot be used. `diagnostics` say where and why; `lines` are they as text."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = list(diagnostics)
        self.lines = [render(d) for d in diagnostics if d.severity == "error"]
        super().__init__("\n".join(self.lines))


class Shelf:
    """Where this process's rule book comes from, and every book it has met, by digest."""

    def __init__(
        self,
        folders: Sequence[Path],
        params: tuple[tuple[str, Params], ...] = (),
        options: tuple[tuple[str, ModelOptions], ...] = (),
        partitions: int = 1,
    ) -> None:
        self.folders, self.params, self.options, self.partitions = tuple(folders), params, options, partitions
        self.current = EMPTY
        self._known: dict[str, Book] = {"": EMPTY}
        self._turn = threading.Lock()
        self._reloading = threading.Lock()

    def read(self) -> Source:
        """The packs on disk. Raises BookRefused when a file cannot be read or a folder is not there."""
        files: dict[str, str] = {}
        for path in self.packs():
            try:
                files[f"{path.parent.name}/pack.yaml"] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                what = f"The file cannot be read: {problem}."
                raise BookRefused([Diagnostic("error", str(path), 1, 1, what)]) from None
        return Source(files, self.params, self.options)

    def packs(self) -> list[Path]:
        """The pack files of all folders; a folder is a pack itself or holds packs. Raises BookRefused."""
        found: list[Path] = []
        for folder in self.folders:
            own = folder / "pack.yaml"
            packs = [own] if own.exists() else sorted(folder.glob("*/pack.yaml"))
            if not packs:
                raise BookRefused([_missing(folder)])
            found += packs
        return found

    def load(self) -> tuple[Book, Source, list[Diagnostic]]:
        """The book on disk, and what is odd but allowed. Raises BookRefused."""
        source = self.read()
        book, found = compile_source(source)
        if book is None:
            raise BookRefused(found)
        return book, source, [d for d in found if d.severity != "error"]

    def reload(self, database: Database, now: float, actor: str) -> Book:
        """Load, keep the source in the ledger, have every pump change over. Raises BookRefused, LedgerUnavailable.

        One at a time: what was read first must not come into force last.
        """
        with self._reloading:
            try:
                book, source, _ = self.load()
            except BookRefused as refused:
                with database.write(now) as tx:
                    tx.audit("book_refused", actor, {"problems": refused.lines[:20]})
                raise
            self.install(database, now, actor, book, source)
            return book

    def install(self, database: Database, now: float, actor: str, book: Book, source: Source) -> None:
        """Put a book in force, here once it is so in the ledger. Raises LedgerUnavailable; then nothing has changed."""
        with self._turn:
            with database.write(now) as tx:
                put_book(tx, book.digest, source.to_json())
                set_fact(tx, "book", book.digest)
                tx.audit("book_loaded", actor, {"digest": book.digest, "packs": [pack.name for pack in book.packs]})
                for partition in range(self.partitions):
                    want_mark(tx, partition, {"kind": "book", "at": now, "body": {"digest": book.digest}})
                bump_desk(tx)
            self._known[book.digest] = book
            self.current = book

    def resolve(self, database: Database, digest: str) -> Book:
        """The book of a digest, from memory or from the ledger. Raises KeyError if nobody ever loaded it."""
        if digest not in self._known:
            with database.read() as connection:
                saved = get_book(connection, digest)
            if saved is None:
                raise KeyError(f"the ledger does not hold the rule book {digest}")
            book, found = compile_source(Source.from_json(saved))
            if book is None:
                raise BookRefused(found)
            self._known[digest] = book
        return self._known[digest]


def documents_of(source: Source) -> list[Document]:
    """The packs of a source as nodes; files that do not parse are left out."""
    loaded = (load_yaml(text, file)[0] for file, text in source.files.items())
    return [document for document in loaded if document is not None]


def tests_of(shelf: Shelf) -> list[tuple[Pack, str, tuple[PackTest, ...]]]:
    """Every pack with its test file and tests. Raises BookRefused when one of them cannot be read."""
    book, _, _ = shelf.load()
    found: list[tuple[Pack, str, tuple[PackTest, ...]]] = []
    for path in shelf.packs():
        pack = next(p for p in book.packs if p.file == f"{path.parent.name}/pack.yaml")
        file = path.with_name("tests.yaml")
        if not file.exists():
            raise BookRefused(
                [Diagnostic("error", str(file), 1, 1, f"The pack {pack.name} has no tests.yaml.", "Write one.")]
            )
        document, problems = load_yaml(file.read_bytes(), str(file))
        if document is None:
            raise BookRefused(problems)
        tests, problems = parse_tests(document, pack)
        if any(d.severity == "error" for d in problems):
            raise BookRefused(problems)
        found.append((pack, str(file), tests))
    return found


def compile_source(source: Source) -> tuple[Book | None, list[Diagnostic]]:
    """A book from its texts, and what there is to say of them."""
    documents: list[Document] = []
    found: list[Diagnostic] = []
    for file, text in source.files.items():
        document, problems = load_yaml(text, file)
        found += problems
        if document is not None:
            documents.append(document)
    if len(documents) < len(source.files):
        return None, found
    book, more = make_book(source, documents)
    return book, found + more


def _missing(folder: Path) -> Diagnostic:
    what = "There is no such folder" if not folder.is_dir() else "The folder holds no pack (a folder with a pack.yaml)"
    return Diagnostic("error", str(folder), 1, 1, f"{what}: {folder}.", "Give a pack, or a folder of packs.")
