"""Unusable videos: each is recorded once, and too many of them stop the run."""

import collections
import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

from smad_jax import errors


class BadVideos:
    """Records unusable videos and stops the run when there are too many.

    Attributes:
        reasons: Number of distinct videos that failed, by reason.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        limit: float = 0.05,
        *,
        num_videos: int,
        source: str = "",
    ):
        """Starts counting.

        Args:
            path: The JSON lines file to append to; None for no file.
            limit: Share of the videos that may be bad, 0 to 1; one always may.
            num_videos: V, the size of the split.
            source: DATASET/SPLIT, for the error and the file, which streams share.
        """
        self._path = None if path is None else pathlib.Path(path)
        self._allowed = max(1, int(limit * num_videos))
        self._limit = limit
        self._num_videos = num_videos
        self._source = source
        self._listed = self._read_listed()
        self._counted: set[int] = set()
        self.reasons: collections.Counter[str] = collections.Counter()

    @property
    def count(self) -> int:
        """Distinct videos that failed so far."""
        return len(self._counted)

    def record(
        self, index: int, id: str, reason: str, detail: str, replacement: str | None
    ) -> None:
        """Counts a bad video and appends it to the file, both once.

        Args:
            index: Its row in the split.
            id: Its id.
            reason: One of `video_facts.REASONS`.
            detail: Description of the failure.
            replacement: Id of the video used instead; None at test.

        Raises:
            DataError: if more videos are bad than the limit allows.
        """
        if index in self._counted:
            return
        self._counted.add(index)
        self.reasons[reason] += 1
        if self._path is not None and id not in self._listed:
            self._listed.add(id)
            line = {"source": self._source, "id": id, "reason": reason}
            line |= {"detail": detail, "replacement": replacement}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if len(self._counted) > self._allowed:
            counts = ", ".join(f"{key} {n}" for key, n in self.reasons.most_common())
            raise errors.DataError(
                f"{len(self._counted)} of {self._num_videos} videos"
                f"{f' of {self._source}' if self._source else ''} cannot be used, "
                f"more than the limit of {self._limit:.0%} allows; most often: "
                f"{self.reasons.most_common(1)[0][0]} ({counts}); last: {id!r}: "
                f"{detail}; {self._path or 'bad_videos.jsonl'} lists them; repair the "
                "data or raise the limit on bad videos"
            )

    def _read_listed(self) -> set[str]:
        """Ids of this source in the file."""
        entries = [] if self._path is None else _entries(self._path)
        return {entry["id"] for entry in entries if entry["source"] == self._source}


def summary(folder: pathlib.Path) -> list[str]:
    """Returns a sentence for each source of training videos with bad ones in a run."""
    bad = collections.defaultdict(dict)
    # Each process of a pod has a file of its own.
    for path in sorted(folder.glob("bad_videos*.jsonl")):
        for entry in _entries(path):
            if entry.get("replacement") is not None:
                bad[entry["source"]][entry["id"]] = entry.get("reason", "unknown")
    return [
        f"{len(reason_of)} {'video' if len(reason_of) == 1 else 'videos'} of {source} "
        "could not be used in training, where others took their place ("
        + ", ".join(
            f"{reason} {count}"
            for reason, count in collections.Counter(reason_of.values()).most_common()
        )
        + f"); {folder / 'bad_videos.jsonl'} lists them"
        for source, reason_of in bad.items()
    ]


def _entries(path: pathlib.Path) -> Iterator[dict[str, str]]:
    """The lines of a file of bad videos; an incomplete last one is ignored."""
    if not path.is_file():
        return
    for line in path.read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and {"source", "id"} <= entry.keys():
                yield entry
