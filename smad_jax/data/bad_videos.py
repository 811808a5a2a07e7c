"""Unusable videos: each is recorded once, and too many of them stop the run."""

import collections
import json
import os
import pathlib

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
            reason: One of `video.REASONS`.
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
        """Ids of this source in the file; an incomplete last line is ignored."""
        if self._path is None or not self._path.is_file():
            return set()
        listed = set()
        for line in self._path.read_text("utf-8").splitlines():
            try:
                entry = json.loads(line)
                if entry["source"] == self._source:
                    listed.add(entry["id"])
            except (ValueError, LookupError, TypeError):
                continue
        return listed
