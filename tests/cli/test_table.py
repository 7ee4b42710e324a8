"""Tables line up as docker's do."""

from hypothesis import given
from hypothesis import strategies as st

from fastlayers.cli.table import align


def test_columns_are_three_blanks_apart_and_ten_wide_at_least() -> None:
    table = align(
        "REPOSITORY\tTAG\tSIZE\nubuntu\tlatest\t126MB\nlocalhost:5000/foo/bar\tv1\t1.23GB"
    )
    assert table.split("\n") == [
        "REPOSITORY               TAG       SIZE",
        "ubuntu                   latest    126MB",
        "localhost:5000/foo/bar   v1        1.23GB",
    ]


def test_a_column_ends_where_a_line_lacks_it() -> None:
    assert align("long enough cell\tx\nalone\ns\ty").split("\n") == [
        "long enough cell   x",
        "alone",
        "s         y",
    ]


def test_empty_cells_keep_their_place() -> None:
    assert align("A\t\tC\naa\t\tc") == "A                   C\naa                  c"


def test_letters_count_not_bytes() -> None:
    assert align("héllo wörld\tx\nhello world\tx").split("\n") == [
        "héllo wörld   x",
        "hello world   x",
    ]


@given(st.lists(st.lists(st.text("ab é", max_size=14), min_size=3, max_size=3), min_size=1))
def test_full_rows_line_up(rows: list[list[str]]) -> None:
    lines = align("\n".join("\t".join(row) for row in rows)).split("\n")
    assert len(lines) == len(rows)
    starts = [0]
    for column in range(2):
        widest = max(len(row[column]) for row in rows)
        starts.append(starts[-1] + max(widest + 3, 10))
    for line, row in zip(lines, rows, strict=True):
        for start, cell in zip(starts, row, strict=True):
            assert line[start : start + len(cell)] == cell


@given(st.lists(st.lists(st.text("ab é%", max_size=14), min_size=3, max_size=3), min_size=1))
def test_full_rows_look_the_same_when_another_is_not(rows: list[list[str]]) -> None:
    text = "\n".join("\t".join(row) for row in rows)
    assert align(text) == align(f"{text}\nalone").removesuffix("\nalone")


@given(st.text("a\t\n", max_size=200))
def test_anything_is_aligned(text: str) -> None:
    aligned = align(text)
    assert "\t" not in aligned
    assert aligned.count("\n") == text.count("\n")
