"""What is printed of names and lines from images, against each character of them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fastlayers.cli import one_line, one_lines

# Whatever bytes are, as text; long enough to be escaped in pieces.
_TEXTS = st.builds(
    lambda start, many, end: start * many + end,
    st.text(max_size=3),
    st.sampled_from([1, 700]),
    st.binary(max_size=6).map(lambda raw: raw.decode(errors="surrogateescape")),
)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


@given(st.lists(_TEXTS, max_size=4))
@example(["plain", "names of an image"])
@example(["plain", "\x1b[2J"])
@example(["tab\there\x7f"])
def test_what_would_move_a_cursor_is_escaped(texts: list[str]) -> None:
    told = one_lines(texts)
    assert told == ["".join(map(_escaped, text)) for text in texts]
    assert list(map(one_line, texts)) == told
    assert all(text.isprintable() for text in told)
