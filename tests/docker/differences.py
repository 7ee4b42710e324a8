"""Where fastlayers answers otherwise than the Docker that was asked, and why that is right."""

from __future__ import annotations

_NEWER = "Docker's own words and behaviour since version 23; the recorded daemon is older"
_MORE = "says more: what it was that was not as it should be"
_STDERR = (
    "the error goes to stderr, after `Error: `, and not among what the command prints; 127 for "
    "what is not there, as Docker since version 23"
)
_OURS = (
    "one way to say it in all verbs; docker's client says it once with and once without `Error: `"
)

# The reason for each command line of the script that may have another answer. What the answer is
# instead is kept too, in answers.json.
REASONS = {
    "docker images --filter nonsense=1": _NEWER,
    "docker image inspect nosuch": "docker's client says it and its daemon says it again",
    "docker inspect --type image web": "docker's client says it and its daemon says it again",
    "docker run --rm box /nosuch/place": "what failed was not a stat",
    "docker run --rm box seq 1 100000 | head -2": "a reader that has seen enough is no error",
    "docker run --rm 'box:bad tag' true": _MORE,
    "docker run --rm --network nosuch box true": _MORE,
    "docker run --rm --network none --add-host db:10.1.2.3 box cat /etc/hosts": (
        f"{_NEWER}; and the host name can be looked up without a network too"
    ),
    "docker ps --filter status=nonsense": _NEWER,
    "docker ps --filter nonsense=1": _NEWER,
    "docker ps --format '{{.Nonsense}}'": "what all lists but ps say in docker too",
    "docker ps --format '{{.Names'": "what all lists but ps say in docker too",
    "docker logs --tail nonsense web": "a value that means nothing is refused, not taken for all",
    "docker exec web nosuchcommand": _STDERR,
    "docker exec web /etc/passwd": _STDERR,
    "docker exec -w /nosuch web pwd": _STDERR,
    "docker exec -u nobodyhere web id": _STDERR,
    "docker inspect --format '{{json .HostConfig.MaskedPaths}} {{json .HostConfig.ReadonlyPaths}}' "
    "web": "the longer list of Docker 28",
    "docker rename site site": "said once; docker's client says after it that it could not",
    "docker rename nosuch x": "said once; docker's client says after it that it could not",
    "docker rm site": _NEWER,
    "docker kill site": _NEWER,
    "docker exec site true": _NEWER,
    "docker top site": _NEWER,
    "docker kill nosuch": _NEWER,
    "docker run -d --name forced box sleep 60 > /dev/null; docker rm forced; docker rm -f forced": (
        _NEWER
    ),
    "docker history changed:1": (
        "the layers of a base are <missing>, as in Docker with containerd's image store"
    ),
    "docker commit -c 'NONSENSE x' work x": _NEWER,
    "docker commit -c 'RUN x' work x": _NEWER,
    "docker commit work 'Bad Name'": _MORE,
    "docker cp work:/etc/plain - | tar -tv | awk '{print $1, $2, $3, $6}'": (
        "the tar has the numbers; names would be those of the host, where they mean others"
    ),
    "docker cp nosuch.txt work:/": _OURS,
    "docker cp hello.txt work:/nosuch/folder/": _MORE,
    "docker cp hello.txt nosuch:/": _MORE,
    "tar -c tree | docker cp - work:/nosuch": _OURS,
    "docker save nosuch": _NEWER,
    "docker load -i nosuch.tar": _OURS,
    "echo garbage | docker load": _MORE,
    "docker import nosuch.tar x": _OURS,
    "docker volume ls --filter nonsense=1": _NEWER,
    "docker run --rm -v data:relative box true": "says it once",
    "docker run --rm -v data:/data:nonsense box true": _MORE,
    "docker system df | sed -E 's/[0-9.]+[kMG]?B/SIZE/g; s/[0-9]+%/PERCENT/'": (
        "there is no build cache"
    ),
    "docker system df --format '{{.Type}}'": "there is no build cache",
}
