"""Frames over a pipe."""

from __future__ import annotations

import contextlib
import os
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.delivery.frames import read_frame, write_frame


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):
            os.close(fd)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text() | st.integers() | st.none()))
def test_a_frame_arrives_as_it_was_sent(value):
    reading, writing = os.pipe()
    try:
        write_frame(writing, value)
        assert read_frame(reading, time.monotonic() + 1).keys() == value.keys()
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff\xff", b""])
def test_what_is_no_frame_is_refused(pipe, body):
    os.write(pipe[1], struct.pack(">I", len(body)) + body)
    with pytest.raises(ValueError):
        read_frame(pipe[0], time.monotonic() + 1)


def test_an_absurd_length_is_refused_before_it_is_read(pipe):
    os.write(pipe[1], b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="exceeds the limit"):
        read_frame(pipe[0], time.monotonic() + 1)


def test_a_frame_that_stops_half_way_ends_at_the_deadline(pipe):
    os.write(pipe[1], b"\x00\x00\x00\x10{")
    with pytest.raises(TimeoutError):
        read_frame(pipe[0], time.monotonic() + 0.05)


def test_a_closed_pipe_is_told_apart_from_a_slow_one(pipe):
    os.close(pipe[1])
    with pytest.raises(EOFError):
        read_frame(pipe[0], time.monotonic() + 1)
