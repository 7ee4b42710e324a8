"""Where fastlayers answers otherwise than the Docker that was asked, and why that is right."""

from __future__ import annotations

_MORE = "says more: what it was that was not as it should be"
_STDERR = "the error goes to stderr, after `Error: `, and not among what the command prints"
_OURS = "one way to say it in all verbs; docker's client says it without `Error: `"
_TYPES = "docker names a type or a function of its source"
_BYTES = (
    "the bytes of the files; Docker counts the blocks, of files and folders, that its unpacked "
    "copy takes, and there is none here"
)

# The reason for each command line of the script that may have another answer. What the answer is
# instead is kept too, in answers.json.
REASONS = {
    "docker images --format '{{.ID}} {{.Repository}} {{.Size}}' box:red": _BYTES,
    "docker images --format '{{.Nonsense}}'": _TYPES,
    "docker inspect --type nonsense box": "these are the types there are",
    "docker history box:red": _BYTES,
    "docker run --rm box seq 1 100000 | head -2": "a reader that has seen enough is no error",
    "docker run --rm 'box:bad tag' true": _MORE,
    "docker run --rm --network nosuch box true": _MORE,
    "docker run --rm --network none --add-host db:10.1.2.3 box cat /etc/hosts": (
        "the host name can be looked up without a network too"
    ),
    'docker ps --format \'{{.Labels}} {{.Label "tier"}} {{.Ports}} {{.Networks}} {{.Mounts}} '
    "{{.LocalVolumes}} {{.Size}}'": _BYTES,
    "docker ps --filter exited=abc": _TYPES,
    "docker run --rm -p 127.0.0.1:18080:80 box true": "docker names its endpoint, too",
    "docker ps --format '{{.Nonsense}}'": f"what all lists but ps say in docker too; and {_TYPES}",
    "docker ps --format '{{.Names'": "what all lists but ps say in docker too",
    "docker logs --tail nonsense web": "a value that means nothing is refused, not taken for all",
    "docker logs --since nonsense web": _MORE,
    "docker exec web nosuchcommand": _STDERR,
    "docker exec web /etc/passwd": _STDERR,
    "docker exec -w /nosuch web pwd": f"{_STDERR}; and there is no config.json",
    "docker inspect -s --format '{{.SizeRw}}' web": _BYTES,
    "docker history --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' changed:1": _BYTES,
    "docker history changed:1": (
        "the layers of a base are <missing>, as docker has them of an image that was pulled; and "
        f"{_BYTES}"
    ),
    "docker cp work:/etc/plain hello.txt/x": _OURS,
    "docker cp hello.txt work:/nosuch/folder/": _MORE,
    "docker cp hello.txt nosuch:/": _MORE,
    "echo garbage | docker load": _MORE,
    "docker volume inspect": "one command inspects all kinds, and says so",
    "docker volume create --driver nosuch x": _MORE,
    "docker run --rm -v data:/data:nonsense box true": _MORE,
    "docker system df | sed -E 's/[0-9.]+[kMG]?B/SIZE/g; s/[0-9]+%/PERCENT/'": (
        "there is no build cache"
    ),
    "docker system df --format '{{.Type}}'": "there is no build cache",
}
