"""`commit -c`: EDGE-CASES K1 to K4, as Docker was measured to behave."""

from __future__ import annotations

from typing import Any

import pytest

from fastlayers.errors import InvalidError
from fastlayers.oci.change import apply_to_runtime
from fastlayers.oci.runtime import RuntimeConfig


def changed(*changes: str, **config: Any) -> dict[str, Any]:
    return apply_to_runtime(RuntimeConfig(config), changes).to_json()


@pytest.mark.parametrize("name", ["Cmd", "Entrypoint"])
@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("node app.js", ["/bin/sh", "-c", "node app.js"]),
        ('["a", "b c"]', ["a", "b c"]),
        ("[]", []),
        ("['a']", ["/bin/sh", "-c", "['a']"]),
        ("[broken", ["/bin/sh", "-c", "[broken"]),
        ("echo $HOME 'x'", ["/bin/sh", "-c", "echo $HOME 'x'"]),
    ],
)
def test_commands_have_a_shell_and_a_json_form(name: str, rest: str, words: list[str]) -> None:
    assert changed(f"{name.upper()} {rest}")[name] == words


def test_an_entrypoint_keeps_the_command() -> None:
    config = changed('ENTRYPOINT ["a"]', Cmd=["b"])
    assert (config["Entrypoint"], config["Cmd"]) == (["a"], ["b"])


def test_the_shell_form_uses_the_shell_of_the_image() -> None:
    assert changed("CMD ls", Shell=["/bin/bash", "-lc"])["Cmd"] == ["/bin/bash", "-lc", "ls"]


@pytest.mark.parametrize(
    ("rest", "env"),
    [
        ("K one two", ["K=one two"]),
        ('A="x y" B=z\\ w', ["A=x y", "B=z w"]),
        ("URL http://x/?a=b,c", ["URL=http://x/?a=b,c"]),
        ("A=b=c", ["A=b=c"]),
        ("A=", ["A="]),
        ("A='$B' C=\"$B\" D=$B E=${B} F=\\$B", ["A=$B", "C=", "D=", "E=", "F=$B"]),
        ("A=${X:-d} B=${X:+d} C=${X-e}", ["A=d", "B=", "C=e"]),
    ],
)
def test_environment_variables_are_quoted_as_in_a_dockerfile(rest: str, env: list[str]) -> None:
    assert changed(f"ENV {rest}")["Env"] == env


def test_a_variable_is_replaced_where_it_stands() -> None:
    config = changed("ENV PATH=/app:$PATH", Env=["PATH=/bin", "Z=1"])
    assert config["Env"] == ["PATH=/app:/bin", "Z=1"]


def test_several_changes_see_each_other() -> None:
    config = changed("env A=1", "ENV B=$A", "WORKDIR /x", "WORKDIR y/../z", "USER $B:0")
    assert config == {"Env": ["A=1", "B=1"], "WorkingDir": "/x/z", "User": "1:0"}


def test_one_text_may_hold_several_lines() -> None:
    config = changed('ENV A=1 \\\n  B=2\n# a comment\n\nLABEL a=b c="d e" \nLABEL f g h')
    assert config["Env"] == ["A=1", "B=2"]
    assert config["Labels"] == {"a": "b", "c": "d e", "f": "g h"}


def test_labels_add_to_those_there() -> None:
    assert changed("LABEL b=2 a=3", Labels={"a": "1", "z": "0"})["Labels"] == {
        "a": "3",
        "b": "2",
        "z": "0",
    }


def test_ports_and_volumes_add_up() -> None:
    config = changed("EXPOSE 80 90/udp 7-8/SCTP", "VOLUME /v1 /v2", 'VOLUME ["/v 3"]')
    assert config["ExposedPorts"] == {"80/tcp": {}, "90/udp": {}, "7/sctp": {}, "8/sctp": {}}
    assert config["Volumes"] == {"/v1": {}, "/v2": {}, "/v 3": {}}


@pytest.mark.parametrize(("before", "after"), [("", "/rel"), ("/a", "/a/rel"), ("/", "/rel")])
def test_a_relative_working_directory_becomes_absolute(before: str, after: str) -> None:
    assert changed("WORKDIR rel", WorkingDir=before)["WorkingDir"] == after
    assert changed("WORKDIR ../../../x")["WorkingDir"] == "/x"


def test_health_checks() -> None:
    check = changed("HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x")
    assert check["Healthcheck"] == {
        "Interval": 90_000_000_000,
        "Timeout": 500_000_000,
        "Retries": 3,
        "Test": ["CMD-SHELL", "curl -f x"],
    }
    assert changed('HEALTHCHECK CMD ["a"]')["Healthcheck"] == {"Test": ["CMD", "a"]}
    assert changed("HEALTHCHECK NONE")["Healthcheck"] == {"Test": ["NONE"]}


def test_triggers_and_signals() -> None:
    config = changed("ONBUILD RUN make", "STOPSIGNAL SIGRTMIN+3", OnBuild=["COPY . ."])
    assert config == {"OnBuild": ["COPY . .", "RUN make"], "StopSignal": "SIGRTMIN+3"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("COPY a b", "COPY is not a valid change command"),
        ("", None),
        ("CMD", "at least one argument"),
        ('CMD ["a", 1]', "comprised of strings"),
        ("ENV A", "must have two arguments"),
        ("ENV A=1 B", "can't find ="),
        ("ENV =x", "can not be blank"),
        ("ENV A='x", "single quote"),
        ("ENV A=${B", "missing"),
        ("ENV A=${B:?none}", "B: none"),
        ("ENV A=${B#x}", "unsupported modifier"),
        ("EXPOSE x", "invalid containerPort"),
        ("EXPOSE 70000", "invalid containerPort"),
        ("EXPOSE 9-8", "invalid containerPort"),
        ("EXPOSE 80/icmp", "invalid proto"),
        ("VOLUME", "at least one argument"),
        ('VOLUME [""]', "empty string"),
        ("USER", "exactly one"),
        ("STOPSIGNAL NOPE", "invalid signal"),
        ("STOPSIGNAL 99", "invalid signal"),
        ("ONBUILD ONBUILD X", "Chaining"),
        ("ONBUILD FROM x", "isn't allowed"),
        ("HEALTHCHECK MAYBE x", "unknown type"),
        ("HEALTHCHECK --interval=1us CMD x", "less than 1ms"),
        ("HEALTHCHECK --interval=soon CMD x", "not a duration"),
        ("HEALTHCHECK --retries=-1 CMD x", "retries"),
        ("HEALTHCHECK CMD", "missing command"),
    ],
)
def test_what_makes_no_sense_is_refused(change: str, complaint: str | None) -> None:
    if complaint is None:
        assert changed(change) == {}
        return
    with pytest.raises(InvalidError, match=complaint):
        changed(change)
