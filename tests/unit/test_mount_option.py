"""--mount and --tmpfs: how they are written, and what of them makes no sense (messages measured on
docker 28)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlayers.container_mount import Mount
from fastlayers.errors import FastlayersError, InvalidError, UnsupportedError
from fastlayers.mount_option import (
    absolute_mount,
    parse_mount,
    parse_tmpfs,
    read_fields,
    tmpfs_mounts,
)


def shown(mount: Mount) -> tuple[str, str, str, bool, bool, dict[str, str]]:
    return (
        mount.kind,
        mount.source,
        mount.target,
        mount.read_only,
        mount.copy_up,
        dict(mount.options),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=bind,src=/a,dst=/b", ("bind", "/a", "/b", False, False, {})),
        ("type=bind,source=/a/../c,target=/b,ro", ("bind", "/c", "/b", True, False, {})),
        ("TYPE=BIND,Src=/a,destination=//b/,readonly=1", ("bind", "/a", "/b", True, False, {})),
        ("type=bind,src=/a,dst=/b,readonly=false,bind-propagation=rprivate,consistency=cached",
         ("bind", "/a", "/b", False, False, {})),
        ('type=bind,"src=/a,b",dst=/c', ("bind", "/a,b", "/c", False, False, {})),
        ("src=data,dst=/b", ("volume", "data", "/b", False, True, {})),
        ("type=volume,src=data,dst=/b,volume-nocopy", ("volume", "data", "/b", False, False, {})),
        ("type=volume,src=data,dst=/b,volume-nocopy=0", ("volume", "data", "/b", False, True, {})),
        ("dst=/b", ("anonymous", "", "/b", False, True, {})),
        ("type=tmpfs,dst=/b", ("tmpfs", "", "/b", False, True, {})),
        ("type=tmpfs,dst=/b,tmpfs-size=1m,tmpfs-mode=0750,ro",
         ("tmpfs", "", "/b", True, True, {"size": "1048576", "mode": "0750"})),
        ("type=tmpfs,dst=/b,tmpfs-size=0", ("tmpfs", "", "/b", False, True, {})),
        ("type=image,src=box:1,dst=/b", ("image", "box:1", "/b", True, True, {})),
    ],
)  # fmt: skip
def test_a_mount(text: str, expected: object) -> None:
    assert shown(parse_mount(text)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "value is empty"),
        ("foo", "invalid field 'foo' must be a key=value pair"),
        ("foo=bar", "unexpected key 'foo' in 'foo=bar'"),
        ("type=tmpfs", "target is required"),
        ("type=bind,src=/etc,dst=/t,readonly=maybe", "invalid value for readonly: maybe"),
        ("type=bind,src=/etc,dst=/t,volume-nocopy",
         "cannot mix 'volume-\\*' options with mount type 'bind'"),
        ("src=v1,dst=/t,tmpfs-size=1", "cannot mix 'tmpfs-\\*' options with mount type 'volume'"),
        ("dst=/t,bind-propagation=rprivate", "cannot mix 'bind-\\*' options"),
        ("type=tmpfs,dst=/t,tmpfs-size=abc", "invalid value for tmpfs-size: abc"),
        ("type=tmpfs,dst=/t,tmpfs-mode=999", "invalid value for tmpfs-mode: 999"),
        ("type=tmpfs,dst=/t,tmpfs-mode=17777", "invalid value for tmpfs-mode: 17777"),
        ('type=bind,"src=/a', "invalid mount"),
    ],
)  # fmt: skip
def test_what_the_flag_refuses(text: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        read_fields(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type=tmpfs,src=x,dst=/t", 'for type "tmpfs": field Source must not be specified'),
        ("type=foo,dst=/t", 'invalid mount config for type "foo": mount type unknown'),
        ("type=bind,dst=/t", 'for type "bind": field Source must not be empty'),
        ("type=image,dst=/t", 'for type "image": field Source must not be empty'),
        ("type=bind,src=rel,dst=/t", "invalid mount path: 'rel' mount path must be absolute"),
        ("src=v1,dst=t", "invalid mount path: 't' mount path must be absolute"),
        ("src=bad/name,dst=/t", 'create bad/name: "bad/name" includes invalid characters'),
        ("type=bind,src=/etc,dst=/", "destination can't be '/'"),
        ("type=bind,src=/etc,dst=/t,bind-propagation=foo", "invalid propagation mode: foo"),
        ("type=bind,src=/etc,dst=/t\0", "NUL"),
    ],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        parse_mount(text)


@pytest.mark.parametrize(
    "field",
    ["bind-propagation=rshared", "bind-recursive=disabled", "volume-driver=nfs", "volume-opt=a=b",
     "volume-subpath=x", "image-subpath=x", "bind-nonrecursive=true", "volume-label=a=b"],
)  # fmt: skip
def test_what_is_not_supported_is_named(field: str) -> None:
    with pytest.raises(UnsupportedError, match=field.partition("=")[0].removeprefix("bind-p")):
        parse_mount(f"type=bind,src=/a,dst=/b,{field}")


@pytest.mark.parametrize(
    ("text", "read_only", "options"),
    [
        ("/t", False, {}),
        ("/t:", False, {}),
        ("/t:rw,noexec,nosuid,nodev", False, {}),
        ("/t:ro,size=64m,mode=1777,uid=5,gid=6", True,
         {"size": "64m", "mode": "1777", "uid": "5", "gid": "6"}),
        ("/t:size=50%,nr_inodes=1k", False, {"size": "50%", "nr_inodes": "1k"}),
        ("/t:exec,suid", False, {"exec": "", "suid": ""}),
        ("/t:exec,noexec,ro,rw", False, {}),
    ],
)  # fmt: skip
def test_a_tmpfs(text: str, read_only: bool, options: dict[str, str]) -> None:
    assert shown(parse_tmpfs(text)) == ("tmpfs", "", "/t", read_only, True, options)


@pytest.mark.parametrize(
    "text",
    ["t", "/", "", "/t:bogus", "/t:size=abc", "/t:size=", "/t:size", "/t:mode=9", "/t:uid=x",
     "/t:uid=4294967295", "/t:ro=1", "/t:size=1kk", "/t:\0", "/\0"],
)  # fmt: skip
def test_what_is_no_tmpfs(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_tmpfs(text)


def test_no_tmpfs_has_devices() -> None:
    with pytest.raises(UnsupportedError, match="option dev is not supported"):
        parse_tmpfs("/t:dev")


def test_the_later_of_two_tmpfs_for_one_place_counts() -> None:
    found = tmpfs_mounts(("/t", "/u", "/t/:size=1m"))
    assert [(mount.target, mount.options) for mount in found] == [
        ("/t", {"size": "1m"}),
        ("/u", {}),
    ]


def test_a_source_relative_to_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert absolute_mount("type=bind,src=./a,dst=/b") == "type=bind,src=/usr/a,dst=/b"
    assert absolute_mount('src=.,"dst=/b,c"') == 'src=/usr,"dst=/b,c"'
    assert absolute_mount("src=a,dst=/.b") == "src=a,dst=/.b"


_WORDS = st.sampled_from(
    ["type", "src", "dst", "ro", "=", ",", '"', "bind", "tmpfs", "volume", "image", "/", "a", "..",
     "tmpfs-size", "tmpfs-mode", "1m", "0", "\0", "\n", " ", ":", "size=", "mode=7", "uid=",
     "\u00e9"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=14).map("".join))
def test_any_text_is_a_mount_or_an_error_of_ours(text: str) -> None:
    """And what is a mount has a clean absolute target."""
    for parse in (parse_mount, parse_tmpfs, Mount.parse):
        try:
            mount = parse(text)
        except FastlayersError as error:
            assert str(error)
            continue
        assert mount.target.startswith("/") and mount.target != "/"
        assert not {"", ".", ".."} & set(mount.target[1:].split("/"))
        assert "\0" not in mount.target + mount.source
