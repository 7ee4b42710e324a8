"""Flags are read as docker reads them (wordings measured on docker 28)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.cli.flags import Flag, FlagError, HelpRequested, Values, parse

FLAGS = (
    Flag("interactive", "i", "bool", ""),
    Flag("tty", "t", "bool", ""),
    Flag("rm", "", "bool", ""),
    Flag("pause", "p", "bool", "", default=True),
    Flag("name", "", "string", "", default="none"),
    Flag("env", "e", "list", "", check=lambda text: "no name" if text.startswith("=") else ""),
    Flag("last", "n", "int", "", default=-1),
)


def read(*argv: str, interspersed: bool = True) -> Values:
    return parse(FLAGS, list(argv), interspersed=interspersed)


def test_letters_stand_alone_or_together() -> None:
    for argv in (("-ti",), ("-t", "-i"), ("--tty", "--interactive"), ("-i=true", "-t=1")):
        values = read(*argv)
        assert values.enabled("tty") and values.enabled("interactive"), argv


@pytest.mark.parametrize(
    "argv",
    [
        ("-e", "A=b=c"),
        ("-eA=b=c",),
        ("-e=A=b=c",),
        ("--env", "A=b=c"),
        ("--env=A=b=c",),
        ("-te", "A=b=c"),
    ],
)
def test_every_spelling_of_a_value(argv: tuple[str, ...]) -> None:
    assert read(*argv).all("env") == ["A=b=c"]


def test_lists_keep_order_and_commas() -> None:
    assert read("-e", "A=1,2", "--env", "B", "-eA=3").all("env") == ["A=1,2", "B", "A=3"]


def test_defaults_and_what_was_given() -> None:
    values = read("--pause=false", "-n", "3")
    assert not values.enabled("pause") and values.number("last") == 3
    assert values.given("pause") and not values.given("name")
    assert values.text("name") == "none" and values.all("env") == []
    assert read().number("last") == -1 and read().enabled("pause")


def test_a_value_may_look_like_a_flag_or_be_empty() -> None:
    assert read("--name", "--rm").text("name") == "--rm"
    assert read("--name=").text("name") == ""
    assert read("--name=").given("name")


def test_flags_end_at_the_first_argument_only_where_asked() -> None:
    assert read("-t", "image", "ls", "-l", interspersed=False).args == ["image", "ls", "-l"]
    assert read("a", "-t", "b").args == ["a", "b"]
    assert read("-t", "--", "-x", "--rm").args == ["-x", "--rm"]
    assert read("-", "-t").args == ["-"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--foo", "x"), "unknown flag: --foo"),
        (("--foo=bar",), "unknown flag: --foo"),
        (("-Z",), "unknown shorthand flag: 'Z' in -Z"),
        (("-tiZx",), "unknown shorthand flag: 'Z' in -Zx"),
        (("--name",), "flag needs an argument: --name"),
        (("-tie",), "flag needs an argument: 'e' in -e"),
        (("--=x",), "bad flag syntax: --=x"),
        (("---x",), "bad flag syntax: ---x"),
        (
            ("--rm=zz",),
            'invalid argument "zz" for "--rm" flag: '
            'strconv.ParseBool: parsing "zz": invalid syntax',
        ),
        (
            ("-t=x",),
            'invalid argument "x" for "-t, --tty" flag: '
            'strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (
            ("-n", "x"),
            'invalid argument "x" for "-n, --last" flag: '
            'strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (("-e", "=x"), 'invalid argument "=x" for "-e, --env" flag: no name'),
    ],
)
def test_wrong_flags_are_named(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(FlagError) as error:
        read(*argv)
    assert str(error.value) == message
    assert error.value.exit_code == 125


def test_help_wins_unless_its_letter_is_taken() -> None:
    for argv in (("--help",), ("-h",), ("-th",), ("--help=true", "x")):
        with pytest.raises(HelpRequested):
            read(*argv)
    assert read("--help=false", "x").args == ["x"]
    hostname = (Flag("hostname", "h", "string", ""),)
    assert parse(hostname, ["-h", "box"]).text("hostname") == "box"


@given(st.lists(st.text(alphabet="-=tienx h", max_size=6), max_size=6))
def test_any_words_are_read_or_refused(argv: list[str]) -> None:
    try:
        values = read(*argv)
    except (FlagError, HelpRequested):
        return
    assert all(not word.startswith("-") or "--" in argv or word == "-" for word in values.args)
