"""`ps`, `container ls`, `container ps`, `container list`: the containers, newest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fastlayers.cli import human, moment
from fastlayers.cli.command import Call, Command
from fastlayers.cli.filters import Filters, filter_flag
from fastlayers.cli.flags import Flag
from fastlayers.cli.listing import Listing, format_flag
from fastlayers.container_options import PEER
from fastlayers.errors import InvalidError

if TYPE_CHECKING:
    from fastlayers.container import Container, State
    from fastlayers.port_option import Published
    from fastlayers.store import Store

COMMAND = Command(
    "[OPTIONS]",
    "List containers",
    (
        Flag("all", "a", "bool", "Show all containers (default shows just running)"),
        filter_flag(),
        format_flag(),
        Flag(
            "last", "n", "int", "Show n last created containers (includes all states)", default=-1
        ),
        Flag("latest", "l", "bool", "Show the latest created container (includes all states)"),
        Flag("no-trunc", "", "bool", "Don't truncate output"),
        Flag("quiet", "q", "bool", "Only display container IDs"),
        Flag("size", "s", "bool", "Display total file sizes"),
    ),
    arguments=(0, 0),
    aliases=("container ls", "container list", "container ps", "ps"),
)

_HEADINGS: dict[str, object] = {
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "HealthStatus": "HEALTH STATUS",
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Label": lambda name: name.rpartition(".")[2],
    "Labels": "LABELS",
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Names": "NAMES",
    "Networks": "NETWORKS",
    "Platform": "PLATFORM",
    "Ports": "PORTS",
    "RunningFor": "CREATED",
    "Size": "SIZE",
    "State": "STATE",
    "Status": "STATUS",
}
_COLUMNS = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
_FILTERS = ("ancestor", "before", "exited", "expose", "id", "label", "name", "network", "publish",
            "since", "status", "volume")  # fmt: skip
_STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15


def run(call: Call) -> int:
    flags = call.flags
    filters = Filters(flags.all("filter"), _FILTERS)
    last = 1 if flags.enabled("latest") else flags.number("last")
    everything = flags.enabled("all") or last > 0 or bool(filters.values("status"))
    wanted = _Wanted(call.store, filters)
    containers = call.store.containers(all=everything)
    found = [container for container in containers if wanted.container(container)]
    format = flags.text("format")
    with_size = flags.enabled("size") or ".Size" in format or format.strip() == "json"
    columns = (*_COLUMNS, "Size") if flags.enabled("size") else _COLUMNS
    rows = (
        _row(call.store, container, full=flags.enabled("no-trunc"), with_size=with_size)
        for container in (found[:last] if last > 0 else found)
    )
    Listing("container", _HEADINGS, columns).print(rows, format, quiet=flags.enabled("quiet"))
    return 0


class _Wanted:
    """What the filters leave."""

    def __init__(self, store: Store, filters: Filters) -> None:
        self._store = store
        self._filters = filters
        for status in filters.values("status"):
            if status not in _STATES:
                raise InvalidError(
                    f"invalid filter 'status={status}': invalid value for state ({status}): "
                    f"must be one of {', '.join(_STATES)}"
                )
        for code in filters.values("exited"):
            if not code.lstrip("-").isdigit():
                raise InvalidError(f"invalid filter 'exited={code}'")
        self._before = [_created(store.container(name)) for name in filters.values("before")]
        self._since = [_created(store.container(name)) for name in filters.values("since")]
        self._ancestors = [self._layers(name) for name in filters.values("ancestor")]
        self._publish, self._expose = map(self._port_names, ("publish", "expose"))

    def container(self, container: Container) -> bool:
        filters = self._filters
        state = container.state()
        created = _created(container)
        return (
            filters.any("id", container.id.startswith)
            and filters.any("name", lambda pattern: _search(pattern, container.name))
            and filters.any("status", lambda status: status == state.word)
            and filters.any("exited", lambda code: _exited(state, int(code)))
            and filters.any("network", lambda network: network == container.options.network)
            and filters.any("volume", lambda place: _has_mount(container, place))
            and filters.labels(container.labels)
            and all(created < moment for moment in self._before)
            and all(created > moment for moment in self._since)
            and (not self._ancestors or self._descends(container))
            and self._has_port(container, state)
        )

    def _port_names(self, filter: str) -> set[str]:
        names = set[str]()
        for text in self._filters.values(filter):
            from fastlayers.port_option import parse_ports

            try:
                names.update(parse_ports(text))
            except InvalidError as error:
                what = f"error while looking up for {filter} {text[:100]}"
                raise InvalidError(f"{what}: {error}") from None
        return names

    def _has_port(self, container: Container, state: State) -> bool:
        if not (self._publish or self._expose):
            return True
        published, exposed = _ports(container, state)
        outside = {f"{port.host_port}/{port.protocol}" for port in published}
        inside = {*exposed, *(port.name for port in published)}
        return all(
            not wanted or wanted & found
            for wanted, found in ((self._publish, outside), (self._expose, inside))
        )

    def _layers(self, name: str) -> tuple[str, ...] | None:
        image = self._store.try_image(name)
        return None if image is None else image.config.diff_ids

    def _descends(self, container: Container) -> bool:
        """Whether the container's image is one of the ancestors or was made on top of one."""
        image = self._store.try_image(container.image_id)
        if image is None:
            return False
        layers = image.config.diff_ids
        return any(
            ancestor is not None and layers[: len(ancestor)] == ancestor
            for ancestor in self._ancestors
        )


def _search(pattern: str, name: str) -> bool:
    """Docker takes names for regular expressions, found anywhere, also with a slash before."""
    import re

    try:
        return any(re.search(pattern, form) for form in (name, "/" + name))
    except re.error:
        return pattern == name


def _has_mount(container: Container, place: str) -> bool:
    """Whether a volume of this name, or anything at this place inside, is mounted."""
    return any(place in (mount.source, mount.target) for mount in container.mounts)


def _exited(state: State, code: int) -> bool:
    return state.status == "exited" and state.exit_code == code


def _created(container: Container) -> float:
    return moment.parse(container.created) or 0.0


def _row(store: Store, container: Container, *, full: bool, with_size: bool) -> dict[str, object]:
    state = container.state()
    command = _command_line(container)
    labels = container.labels
    mounts = list(_mounts(container, full=full))
    network = container.options.network
    return {
        "Command": _quote(command if full else human.shorten(command, _COMMAND_WIDTH)),
        "CreatedAt": moment.listed(_created(container)),
        "HealthStatus": "",  # checks are not run
        "ID": container.id if full else container.short_id,
        "Image": _image_name(store, container, full=full),
        "Label": lambda name: labels.get(name, ""),
        "Labels": ",".join(f"{key}={labels[key]}" for key in sorted(labels)),
        "LocalVolumes": str(sum(not mount.startswith("/") for mount in mounts)),
        "Mounts": ",".join(mounts),
        "Names": container.name,
        "Networks": "" if network.startswith(PEER) else network,
        "Platform": None,  # as in Docker without containerd's image store
        "Ports": _shown_ports(container, state),
        "RunningFor": moment.since(_created(container)),
        "Size": _size(store, container) if with_size else "0B",
        "State": state.word,
        "Status": _status(state),
    }


def _ports(container: Container, state: State) -> tuple[list[Published], Sequence[str]]:
    """What is published, and what is exposed, of a network that ports can be published of."""
    if state.status != "running" or container.options.network != "pasta":
        return [], ()
    from fastlayers.port_option import Published

    return [*map(Published.parse, state.ports)], container.runtime.exposed_ports


def _shown_ports(container: Container, state: State) -> str:
    published, exposed = _ports(container, state)
    if not (published or exposed):
        return ""
    from fastlayers.port_option import shown

    return shown(published, exposed)


def _command_line(container: Container) -> str:
    words = (f"'{word}'" if " " in word else word for word in container.args)
    return " ".join((container.path, *words))


def _quote(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


def _image_name(store: Store, container: Container, *, full: bool) -> str:
    """The name the user wrote, as long as it still means the container's image."""
    name = container.image_name
    if name and not name.startswith("sha256:"):
        image = store.try_image(name)
        if image is not None and image.id == container.image_id:
            return name
    return container.image_id if full else container.image_id.removeprefix("sha256:")[:12]


def _mounts(container: Container, *, full: bool) -> Iterator[str]:
    for mount in container.inspect().get("Mounts") or ():
        name = mount.get("Name") or mount.get("Source", "")
        if name:  # a tmpfs has none
            yield name if full else human.shorten(name, _MOUNT_WIDTH)


def _status(state: State) -> str:
    """ "Up 3 seconds", "Exited (0) 2 minutes ago", "Created"."""
    started, finished = moment.parse(state.started), moment.parse(state.finished)
    if state.status == "running":
        up = f"Up {moment.span(started)}" if started else "Up"
        return f"{up} (Paused)" if state.paused else up
    if state.status == "exited":
        ago = f" {moment.span(finished)} ago" if finished else ""
        return f"Exited ({state.exit_code}){ago}"
    return state.status.capitalize()


def _size(store: Store, container: Container) -> str:
    written = container.size()
    image = store.try_image(container.image_id)
    text = human.size(written)
    return text if image is None else f"{text} (virtual {human.size(image.size + written)})"
