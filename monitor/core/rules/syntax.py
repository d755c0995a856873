"""Text of an expression -> Python's syntax tree, within limits. What the tree may hold is decided by `lower`."""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata

MAX_BYTES = 2048
MAX_NODES = 200
MAX_DEPTH = 30

BACKSLASH = "\ue000"  # stands for \ while Python parses: text in quotes means what it says, without escapes
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_GLUED = re.compile(r"(?<![\w.])((?>\d[\d_]*\.?[\d_]*(?:[eE][+-]?\d+)?))([^\W\d]\w*)")
_KEYWORD = re.compile(rf"\b(\w+(?:\.\w+)*)\.({'|'.join(keyword.kwlist)})\b")
_HABITS = (
    (re.compile(r"&&"), "Write `and` for `&&`."),
    (re.compile(r"\|\|"), "Write `or` for `||`."),
    (re.compile(r"!(?!=)"), "Write `not` for `!`."),
    (re.compile(r"<>"), "Write `!=` for `<>`."),
    (re.compile(r"(?<![<>=!])=(?!=)"), "Write `==` to compare."),
    (re.compile(r"\b(?:AND|OR|NOT|IS|IN)\b"), "Write `and`, `or`, `not`, `is` and `in` in small letters."),
    (re.compile(r"\d\s*%"), "Write a share as a number here: 0.05 for 5%."),
    (
        re.compile(r"(?<!\w)(?:contains|startswith|endswith|matches|like)\s+'"),
        "Functions stand in front: contains(inputs.note, 'urgent').",
    ),
    (re.compile(r"\.\d|\.\w+-\w"), 'Name a column that does not parse with col("inputs.user-id").'),
)


class ExpressionError(ValueError):
    """The expression is refused. `offset` is where, in characters from its start; `fix` says what would be right."""

    def __init__(self, message: str, offset: int, fix: str = "") -> None:
        super().__init__(message)
        self.message, self.offset, self.fix = message, offset, fix


class Tree:
    """A parsed expression. `root` holds only what Python calls an expression, and not too much of it."""

    def __init__(self, source: str) -> None:
        self.source = source
        flat = re.sub(r"[\n\r\t]", " ", source)
        self._indent = len(flat) - len(flat.lstrip())
        self._text = flat.strip().replace("\\", BACKSLASH)
        self._check_text(source, flat)
        self.root = self._parse()
        self._check_size()

    def offset(self, node: ast.AST) -> int:
        """Where a node begins, in characters of the source."""
        return self._characters(getattr(node, "col_offset", 0))

    def end(self, node: ast.expr) -> int:
        """Where a node ends, in characters of the source."""
        return self._characters(node.end_col_offset or 0)

    def _characters(self, count: int) -> int:
        """Python counts bytes."""
        return self._indent + len(self._text.encode()[:count].decode(errors="ignore"))

    def error(self, node: ast.AST, message: str, fix: str = "") -> ExpressionError:
        """A refusal of what stands at `node`."""
        return ExpressionError(message, self.offset(node), fix)

    def segment(self, node: ast.expr) -> str:
        """The source of a node."""
        return (ast.get_source_segment(self._text, node) or "").replace(BACKSLASH, "\\")

    def text(self, node: ast.expr) -> str:
        """The source of a node, cut for a message."""
        found = self.segment(node)
        return found if len(found) <= 60 else found[:57] + "..."

    def _check_text(self, source: str, flat: str) -> None:
        if not self._text:
            raise ExpressionError("The expression is empty.", 0, "Write a condition such as output.score < 0.6.")
        if len(source.encode(errors="replace")) > MAX_BYTES:
            raise ExpressionError(f"The expression has more than {MAX_BYTES} bytes.", 0, "Split the rule in two.")
        odd = next((i for i, c in enumerate(flat) if not c.isprintable()), None)
        if odd is not None:
            raise ExpressionError("There is a character here that cannot be shown.", odd, "Delete it.")
        bare = self._bare = _QUOTED.sub(lambda match: "'" + "_" * (len(match[0]) - 2) + "'", self._text)
        if unicodedata.normalize("NFKC", bare) != bare:
            fix = 'Name the column with col("…").'
            raise ExpressionError("Python's syntax would change some letters of this name.", self._indent, fix)
        glued = _GLUED.search(bare)
        if glued is not None:
            raise ExpressionError(
                f"`{glued[0]}` is neither a number nor a name.",
                self._indent + glued.start(),
                f"Write the number without a unit, {glued[1]}, or put a space behind it.",
            )

    def _parse(self) -> ast.expr:
        try:
            return ast.parse(self._text, mode="eval").body
        except SyntaxError as problem:
            ends = not problem.offset  # Python says 0 where the text ends too early
            at = len(self._text) if ends else min((problem.offset or 1) - 1, len(self._text))
            raise ExpressionError(*self._explain(at, problem.msg)) from None
        except (ValueError, RecursionError, MemoryError, OverflowError):
            raise ExpressionError("The expression cannot be read: it is nested too deep.", 0, "Simplify it.") from None

    def _explain(self, at: int, why: str) -> tuple[str, int, str]:
        """Message, offset and fix of what Python could not parse: by habits of other languages first."""
        word = _KEYWORD.search(self._bare)
        if word is not None:
            message = f"`{word[2]}` is a word of the language and cannot follow a dot."
            return message, self._indent + word.start(2), f'Write col("{word[0]}").'
        for habit, fix in _HABITS:
            match = habit.search(self._bare)
            if match is not None:
                return "This is not an expression.", self._indent + match.start(), fix
        return f"This is not an expression: {why}.", self._indent + at, "Check brackets, quotes and signs up to here."

    def _check_size(self) -> None:
        count = 0
        level: list[ast.AST] = [self.root]
        for _ in range(MAX_DEPTH):
            count += len(level)
            level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            if not level:
                break
        if level:
            raise ExpressionError(f"The expression is nested more than {MAX_DEPTH} deep.", self._indent, "Simplify it.")
        if count > MAX_NODES:
            raise ExpressionError(f"The expression has more than {MAX_NODES} parts.", self._indent, "Split the rule.")
