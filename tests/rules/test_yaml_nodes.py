"""YAML as nodes: positions are right, and whatever is odd is refused with its place."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.core.rules.diagnose import render
from monitor.core.rules.nodes import ListNode, MapNode, Node, TextNode
from monitor.formats.yaml_nodes import load


def plain(node: Node) -> object:
    if isinstance(node, MapNode):
        return {key.text: plain(value) for key, value in node.entries}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.text


def test_scalars_stay_text_whatever_they_look_like() -> None:
    document, found = load("a: off\nb: 5%\nc: 0x10\nd: 2026-01-05\ne: ~\nf: 12:30\n", "f.yaml")
    assert not found
    assert document is not None
    assert plain(document.root) == {"a": "off", "b": "5%", "c": "0x10", "d": "2026-01-05", "e": "~", "f": "12:30"}


def test_positions_count_lines_and_columns_from_one() -> None:
    document, _ = load("# note\nä:\n- {öl: 'x y', n: 5}\n", "f.yaml")
    assert document is not None
    assert isinstance(document.root, MapNode)
    items = document.root.entries[0][1]
    assert isinstance(items, ListNode)
    inner = items.items[0]
    assert isinstance(inner, MapNode)
    (key, value), (_, five) = inner.entries
    assert isinstance(value, TextNode)
    assert (key.position.line, key.position.column, key.width) == (3, 4, 2)
    assert (value.position.column, value.style, value.width, value.text) == (8, "'", 5, "x y")
    assert (five.position.line, five.position.column) == (3, 18)


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "fix"),
    [
        ("a:\n\tb: 1\n", 2, 1, "indented with a tab", "spaces"),
        ("a:\n  b: |\n  \tx\n", 3, 3, "indented with a tab", "spaces"),
        ("- alert: X\n  share: > 5%\n", 2, 10, "begins a block of text", "`above: 5%`"),
        ("a: {above: > 5%, over: 5m}", 1, 12, "begins a block of text", "`above: 5%`"),
        ("a: > b", 1, 4, "begins a block of text", "Put quotes"),
        ("pack: a\npack: b\n", 2, 1, "here twice", "Keep one"),
        ("x: *", 1, 4, "not YAML", 'quotes around a text that begins with a special sign: "*"'),
        ("x: {shift: *.a}", 1, 12, "not YAML", "special sign"),
        ("b: *x", 1, 4, "Aliases", "Put quotes"),
        ("a: &x 1", 1, 4, "Anchors", "params"),
        ("a: &x [*x, *x]", 1, 4, "Anchors", "params"),
        ("x: !!python/object:os.system y", 1, 4, "tags", "Delete the tag"),
        ("x: {of: o in ('a', 'b'), above: 5%}", 1, 23, "not YAML", "Inside {…} put quotes"),
        ("x: {of: o in ['a'], above: 5%}", 1, 14, "not YAML", "Inside {…} put quotes"),
        ("a: b: c", 1, 5, "not YAML", "`: `"),
        ("a: 'x", 1, 6, "not YAML", "Check quotes"),
        ("a: @x", 1, 4, "not YAML", "special sign"),
        ("a: x\0y", 1, 5, "control character", "Delete"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document", "one file is one pack"),
        ("? [a, b]\n: 1\n", 1, 3, "A key must be text", "quotes"),
        ("", 1, 1, "is empty", "pack: NAME"),
        ("# only a comment\n", 1, 1, "is empty", "pack: NAME"),
        ("[" * 5_000, 1, 22, "nested more than 20", ""),
        ("- " * 2_000 + "a", 1, 43, "nested more than 20", ""),
        ("a: \x85", 1, 4, "control character", "Delete"),
    ],
)
def test_what_is_odd_is_refused_with_file_line_and_column(
    text: str, line: int, column: int, message: str, fix: str
) -> None:
    document, found = load(text, "f.yaml")
    assert document is None
    assert (found[0].file, found[0].line, found[0].column) == ("f.yaml", line, column)
    assert message in found[0].message
    assert fix in found[0].fix
    shown = render(found[0])
    assert f"f.yaml:{line}:{column}: error: " in shown
    if found[0].source:
        assert shown.splitlines()[2].index("^") == len("    1 | ") + column - 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: \xff\xfe", "Byte 3 is not UTF-8."),
        (b"\x00" * 10, "control character"),
        (b"x" * 1_000_001, "may have 1,000,000"),
        ("- a\n" * 50_000, "more than 50,000 values"),
    ],
)
def test_bytes_that_are_no_small_utf8_text_are_refused(data: bytes | str, message: str) -> None:
    document, found = load(data, "f.yaml")
    assert document is None
    assert message in found[0].message


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    document, found = load(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n", "f.yaml")
    assert not found
    assert document is not None
    assert plain(document.root) == {"a": "1", "b": "2"}


def test_every_duplicate_is_told() -> None:
    _, found = load("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n", "f.yaml")
    assert [(d.line, d.column) for d in found] == [(3, 11), (2, 1), (4, 1)]


def test_carets_stand_under_the_word_on_long_lines_and_after_tabs() -> None:
    _, found = load("a:" + " " * 150 + "@x\n", "f.yaml")
    first, source, caret = render(found[0]).splitlines()[:3]
    assert "f.yaml:1:153" in first
    assert source[caret.index("^")] == "@"


scalars = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Zl", "Zp"]), max_size=12)
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(scalars, inner, max_size=3)),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(trees, st.booleans())
def test_what_yaml_writes_is_read_back(tree: object, flow: bool) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    document, found = load(text, "f.yaml")
    if document is None:
        assert found
    else:
        assert plain(document.root) == tree


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(alphabet=" \n\t-:{}[],'\"#&*!|>%@`?ab1~\r\0", max_size=60)))
@example("%YAML 1.1\n---\n- a")
@example("<<: {a: 1}")
@example("? ? ? ?")
def test_no_bytes_raise(data: bytes | str) -> None:
    document, found = load(data, "f.yaml")
    assert (document is None) == any(d.severity == "error" for d in found)
    for diagnostic in found:
        assert diagnostic.line >= 1
        assert diagnostic.column >= 1
        assert render(diagnostic)
