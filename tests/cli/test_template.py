"""Templates are Go's, as far as docker users go (answers measured on docker 28)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.cli.command import CommandError
from fastlayers.cli.inspect import shaped
from fastlayers.cli.listing import Listing
from fastlayers.cli.template import Record, Template, TemplateError, TemplateSyntaxError

IMAGE = shaped(
    {
        "Id": "sha256:" + "a" * 64,
        "RepoTags": ["ubuntu:latest"],
        "RepoDigests": [],
        "Parent": "",
        "Comment": "<b>&",
        "Config": {
            "Env": ["A=b", "C=d"],
            "Cmd": ["/bin/bash"],
            "Labels": {"x.y": "1", "k": "v"},
            "Volumes": None,
            "Entrypoint": None,
            "User": "",
        },
        "Os": "linux",
        "Size": 1262123456789,
        "RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]},
        "Metadata": {"F": 1.5, "B": True},
        "Health": None,
    }
)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain }} text", "plain }} text"),
        ("{{.Id}}", "sha256:" + "a" * 64),
        ("{{.Config.Env}} {{.RootFS}}", "[A=b C=d] map[Layers:[sha256:1 sha256:2] Type:layers]"),
        ("{{.Size}} {{.Metadata.F}} {{.Metadata.B}}", "1262123456789 1.5 true"),
        (
            "{{.Config.Cmd}}|{{.Config.Entrypoint}}|{{.Config.Volumes}}|{{.RepoDigests}}",
            "[/bin/bash]|[]|map[]|[]",
        ),
        ("{{json .Config.Entrypoint}} {{json .Comment}} {{.Health}}", 'null "<b>&" <no value>'),
        (
            "{{json .Config}}",
            '{"Env":["A=b","C=d"],"Cmd":["/bin/bash"],"Labels":{"k":"v","x.y":"1"},'
            '"Volumes":null,"Entrypoint":null,"User":""}',
        ),
        ("{{range .Config.Env}}{{println .}}{{end}}", "A=b\nC=d\n"),
        ("{{range $i, $e := .Config.Env}}{{$i}}={{$e}};{{else}}none{{end}}", "0=A=b;1=C=d;"),
        ("{{range .RepoDigests}}x{{else}}none{{end}}", "none"),
        ("{{range .RepoTags}}{{.}},{{$.Os}}{{break}}{{end}}", "ubuntu:latest,linux"),
        ("{{range .Config.Env}}{{continue}}x{{end}}", ""),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "k:v x.y:1 "),
        ('{{index .Config.Labels "x.y"}}|{{index .Config.Labels "nope"}}|', "1||"),
        ("{{.Config.Labels}} {{.Config.Labels.nope}}", "map[k:v x.y:1] <no value>"),
        ("{{index .RootFS.Layers 1}} {{(index .Config.Env 0)}}", "sha256:2 A=b"),
        (
            "{{with .Config.User}}u{{else}}nobody{{end}}{{with $x := .Os}} {{$x}}{{end}}",
            "nobody linux",
        ),
        (
            '{{if and .Os (eq .Os "linux")}}yes{{end}}{{if not .Parent}} no parent{{end}}',
            "yes no parent",
        ),
        ("{{if .Parent}}a{{else if .Os}}b{{else}}c{{end}}", "b"),
        (
            '{{eq .Os "a" "linux"}} {{and 1 0}} {{or "" "z"}} {{gt .Size 5}} {{ne 1 1}}',
            "true 0 z true false",
        ),
        ('a {{- "  x " -}}  y {{/* nothing */}}z', "a  x y z"),
        ('{{slice .Id 7 12}} {{truncate .Id 10}} {{title "foo bar"}}', "aaaaa sha256:aaa Foo Bar"),
        ('{{pad "x" 2 3}}| {{split "a,b" ","}} {{join .Config.Env ","}}', "  x   | [a b] A=b,C=d"),
        ('{{.Os | upper | printf "%q"}} {{upper .Os}} {{len .RootFS.Layers}}', '"LINUX" LINUX 2'),
        (
            '{{printf "%s-%d-%v-%5s|%-5s|%t" .Os 3 .Size "a" "b" true}}',
            "linux-3-1262123456789-    a|b    |true",
        ),
        ('{{printf "%05d %x %d%%" 42 255 "s"}}', "00042 ff %!d(string=s)%"),
        ('{{"a\\tb"}}{{`r\\aw`}}{{-3}}', "a\tbr\\aw-3"),
        ("{{$x := 1}}{{$x = 2}}{{$x}}", "2"),
        ('{{println "a" 1}}{{print 1 2 "x"}}', "a 1\n1 2x"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{html .Comment}}", "&lt;b&gt;&amp;"),
    ],
)
def test_templates(source: str, text: str) -> None:
    assert Template(source).render(IMAGE) == text


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{.Os", "unclosed action"),
        ('{{"abc}}', "unterminated quoted string"),
        ("{{if}}", "missing value for if"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{if 1}}", "unexpected EOF"),
        ("{{foo .}}", 'function "foo" not defined'),
        ("{{$x}}", 'undefined variable "$x"'),
        ('{{"a" | }}', "missing value for command"),
        ("{{nil}}", "nil is not a command"),
        ("{{break}}", "{{break}} outside {{range}}"),
        ('{{template "x"}}', "{{template}} is not supported"),
        (
            "{{" + "(" * 60 + "1" + ")" * 60 + "}}",
            "more than 50 blocks and brackets in one another",
        ),
    ],
)
def test_unreadable_templates(source: str, complaint: str) -> None:
    with pytest.raises(TemplateSyntaxError) as error:
        Template(source)
    assert str(error.value) == f"template parsing error: template: :1: {complaint}"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("{{.Foo}}", ':1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        (
            "{{index .Config.Env 7}}",
            ':1:2: executing "" at <index .Config.Env 7>: '
            "error calling index: index out of range: 7",
        ),
        (
            "{{.Health.Status}}",
            ':1:9: executing "" at <.Health.Status>: nil pointer evaluating interface {}.Status',
        ),
        ("x\n{{len}}", ':2:2: executing "" at <len>: wrong number of args for len'),
    ],
)
def test_templates_that_ask_for_what_is_not_there(source: str, complaint: str) -> None:
    with pytest.raises(TemplateError) as error:
        Template(source).render(IMAGE)
    assert str(error.value) == f"template parsing error: template: {complaint}"


ROWS = [
    {"ID": "aaaaaaaaaaaa", "Repository": "ubuntu", "Size": "126MB"},
    {"ID": "bbbbbbbbbbbb", "Repository": "<none>", "Size": "0B"},
]
LISTING = Listing(
    "image",
    {"ID": "IMAGE ID", "Repository": "REPOSITORY", "Size": "SIZE"},
    ("Repository", "ID", "Size"),
)


@pytest.mark.parametrize(
    ("format", "quiet", "lines"),
    [
        (
            "",
            False,
            [
                "REPOSITORY   IMAGE ID       SIZE",
                "ubuntu       aaaaaaaaaaaa   126MB",
                "<none>       bbbbbbbbbbbb   0B",
            ],
        ),
        ("", True, ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]),
        (
            "table {{.ID}}\\t{{upper .Repository}} {{.Size}}",
            True,
            [
                "IMAGE ID       REPOSITORY SIZE",
                "aaaaaaaaaaaa   UBUNTU 126MB",
                "bbbbbbbbbbbb   <NONE> 0B",
            ],
        ),
        ("{{.ID}}: {{.Repository}}", False, ["aaaaaaaaaaaa: ubuntu", "bbbbbbbbbbbb: <none>"]),
        ("pretty", False, ["pretty", "pretty"]),
        (
            "json",
            False,
            [
                '{"ID":"aaaaaaaaaaaa","Repository":"ubuntu","Size":"126MB"}',
                '{"ID":"bbbbbbbbbbbb","Repository":"\\u003cnone\\u003e","Size":"0B"}',
            ],
        ),
        ("{{json .Repository}}", False, ['"ubuntu"', '"<none>"']),
    ],
)
def test_lists(
    format: str, quiet: bool, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    LISTING.print(ROWS, format, quiet=quiet)
    assert capsys.readouterr().out.splitlines() == lines


def test_rows_have_no_other_fields() -> None:
    with pytest.raises(TemplateError, match="can't evaluate field Foo in type image"):
        LISTING.print(ROWS, "{{.Foo}}", quiet=False)


def test_methods_of_rows_are_called_and_are_no_json() -> None:
    row = Record("container", {"ID": "1", "Label": {"a": "b"}.get})
    assert Template('{{.Label "a"}}').render(row) == "b"
    assert Template("{{json .}}").render(row) == '{"ID":"1"}'


WORDS = (
    '{{ }} {{- -}} .Os .Config.Env .Nope .Size . $x $ := = | ( ) , "s" 3 -1 %d nil true if else '
    "end range with break index len slice printf json join eq and not truncate pad"
)
PIECES = st.sampled_from(WORDS.split())


@given(st.lists(PIECES, max_size=14))
def test_any_template_renders_or_says_what_is_wrong(pieces: list[str]) -> None:
    try:
        Template("{{" + " ".join(pieces) + "}}").render(IMAGE)
    except CommandError as error:
        assert str(error).startswith("template parsing error: template: :")


@given(st.text("{}-.$|(\"'`) a1/*\n", max_size=30))
def test_any_text_is_a_template_or_is_refused(source: str) -> None:
    try:
        Template(source).render(IMAGE)
    except CommandError as error:
        assert str(error).startswith("template parsing error: template: :")
