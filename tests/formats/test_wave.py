"""WAV files: what is written is read again, and what others write is found behind whatever they put in front."""

from __future__ import annotations

import io
import struct
import wave as standard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastproxy.formats.wave import Sound, read_wav, seconds, write_wav

SAMPLES = bytes(range(200)) * 2


@pytest.mark.parametrize("sound", [Sound(SAMPLES, 24_000), Sound(SAMPLES, 8000, 2), Sound(SAMPLES, 48_000, 1, 1)])
def test_a_file_is_what_the_standard_library_writes(sound: Sound) -> None:
    out = io.BytesIO()
    with standard.open(out, "wb") as file:
        file.setparams((sound.channels, sound.width, sound.rate, 0, "NONE", ""))
        file.writeframes(sound.samples)
    assert write_wav(sound) == out.getvalue()
    assert read_wav(out.getvalue()) == sound
    assert seconds(memoryview(out.getvalue())) == len(SAMPLES) / (sound.rate * sound.channels * sound.width)


def test_chunks_in_front_and_behind_are_skipped_with_their_padding() -> None:
    file = write_wav(Sound(SAMPLES, 24_000))
    listed = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert read_wav(file[:12] + listed + file[12:] + listed) == Sound(SAMPLES, 24_000)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, len(SAMPLES) + 1])
def test_a_size_that_a_stream_could_not_know_means_to_the_end(size: int) -> None:
    file = write_wav(Sound(SAMPLES, 24_000))
    streamed = file[:40] + struct.pack("<I", size) + file[44:]
    assert read_wav(streamed) == Sound(SAMPLES, 24_000)


def test_a_codec_has_a_duration_but_no_samples_for_us() -> None:
    file = write_wav(Sound(SAMPLES, 24_000))
    coded = file[:20] + struct.pack("<H", 7) + file[22:]
    assert read_wav(coded) is None
    assert seconds(coded) is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"ID3\x04" * 20, b"RIFF\0\0\0\0AVI LIST", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd"],
)
def test_what_is_no_wav_says_nothing(data: bytes) -> None:
    assert read_wav(data) is None
    assert seconds(data) is None


def test_a_rate_of_nothing_is_no_duration() -> None:
    file = write_wav(Sound(SAMPLES, 24_000))
    assert seconds(file[:28] + bytes(4) + file[32:]) is None


@given(st.binary(max_size=200))
def test_no_bytes_behind_the_word_break_it(tail: bytes) -> None:
    read_wav(b"RIFF\0\0\0\0WAVE" + tail)
    seconds(b"RIFF\0\0\0\0WAVE" + tail)


@pytest.mark.parametrize("said", [(0, 1, 16), (24_000, 0, 16), (24_000, 1, 0), (0xFFFFFFFF, 2, 16)])
def test_a_head_of_nonsense_was_written_again(said: tuple[int, int, int]) -> None:
    rate, channels, bits = said
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 40, b"WAVE", b"fmt ", 16, 1, channels, rate, 0, 0, bits)
    assert read_wav(head + struct.pack("<4sI", b"data", 4) + b"abcd") is None
