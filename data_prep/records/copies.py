"""Copies of one video and clips of one recording, which a hold-out keeps together.

Copies are files with the same encoded pictures, or names that differ in their ending.
Videos that were encoded again are compared by `bias.near_duplicates` only.
"""

import collections
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from smad_jax.data import video

# Names of clips that are cut out of a longer recording, whose own name is the group.
_CLIPS = (
    re.compile(r"(.+)#\d+"),  # frames of a folder from an offset on
    re.compile(r"(?:.+/)?([\w-]{11})_\d{6}_\d{6}"),  # YouTube's id and times
    re.compile(r"(?:.+/)?([\w-]{11})_E_\d{6}_\d{6}_A_\d{4}_\d{4}"),  # FineGYM
    re.compile(r"(?:.+/)?(v_\w+_g\d{2})_c\d{2}"),  # UCF101
    re.compile(r"([^/]+/.+)/part_\d+"),  # OmniSource; `walk/part_1` may be any video
)


def digest(content: bytes) -> str:
    """Returns a digest of a video's encoded pictures, whatever its container and tags.

    Where no pictures can be read it is that of all bytes.
    """
    found, empty = hashlib.sha256(), hashlib.sha256().digest()
    try:
        for picture in video.encoded(content):
            found.update(picture)
    except video.VideoError:
        found = hashlib.sha256()
    if found.digest() == empty:
        found = hashlib.sha256(content)
    return found.hexdigest()[:16]


def recording(id: str) -> str:
    """Returns the name of the recording from which a clip of that id was cut."""
    name = os.path.splitext(id)[0] if "#" not in id else id
    matches = (pattern.fullmatch(name) for pattern in _CLIPS)
    return next((match[1] for match in matches if match), name)


def groups(digests: Mapping[str, str]) -> list[list[str]]:
    """Returns ids in groups of copies and of clips of one recording, most of them one.

    `digests` are by id; groups and ids stay in that order.
    """
    above: dict[str, str] = {}

    def root(key: str) -> str:
        while above.setdefault(key, key) != key:
            above[key] = key = above[above[key]]
        return key

    for id, content in digests.items():
        above[root(f"content {content}")] = root(f"name {recording(id)}")
    found = collections.defaultdict(list)
    for id in digests:
        found[root(f"name {recording(id)}")].append(id)
    return list(found.values())


def hold_out(
    together: Sequence[Sequence[str]], label_of: Mapping[str, int], share: float
) -> set[str]:
    """Returns the ids held out, about `share` of each class, by the hash of the id.

    A class of one group keeps it for training; of a larger class at least one is held
    out, if every class that shares it keeps a video.

    Args:
        together: Groups of ids; each is held out as a whole or not at all.
        label_of: Class by id.
        share: Of the videos, at least 0 and below 1.
    """
    sizes = collections.Counter(label_of.values())
    wanted = {c: min(n - 1, max(1, round(share * n))) for c, n in sizes.items()}
    held: collections.Counter[int] = collections.Counter()
    chosen: set[str] = set()
    ordered = sorted(together, key=lambda ids: min(map(_hash, ids))) if share else []
    for group in ordered:
        counts = collections.Counter(label_of[id] for id in group)
        if all(held[label] + n <= wanted[label] for label, n in counts.items()):
            chosen.update(group)
            held += counts
    # All groups of a class may be larger than its share; then the smallest one goes.
    for group in sorted(ordered, key=len):
        counts = collections.Counter(label_of[id] for id in group)
        lacks = any(not held[label] for label in counts)
        if lacks and all(held[label] + n < sizes[label] for label, n in counts.items()):
            chosen.update(group)
            held += counts
    return chosen


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode()).digest()


def _counted(count: int) -> str:
    return "1 video is" if count == 1 else f"{count} videos are"


def remarks(
    splits: Mapping[str, Sequence[str]],
    digests: Mapping[str, str],
    label_of: Mapping[str, int],
) -> Iterator[str]:
    """Yields sentences on videos in two splits, and on copies of two classes.

    Copies count as one video. Of several official splits, as `train1` and `train2`,
    each has the videos of the others, so they are passed over.
    """
    first: dict[str, str] = {}
    mixed = []
    for id, content in digests.items():
        other = first.setdefault(content, id)
        if label_of[id] != label_of[other]:
            mixed.append((other, id))
    if mixed:
        yield (
            f"{_counted(len(mixed))} stored under two classes, as "
            f"{mixed[0][1]!r} and {mixed[0][0]!r}; correct the class or leave one out"
        )
    names = [name for name in splits if not re.fullmatch(r"(train|val)\d+", name)]
    for one, other in itertools.combinations(names, 2):
        there = {digests[id]: id for id in splits[one]}
        twice = [id for id in splits[other] if digests[id] in there]
        if twice:
            name = there[digests[twice[0]]]
            under = "" if name == twice[0] else f" (there {name!r})"
            seen = "; a test on training videos overstates accuracy" * (one == "train")
            yield (
                f"{_counted(len(twice))} in {other!r} and in {one!r}, as {twice[0]!r}"
                f"{under}{seen}"
            )
