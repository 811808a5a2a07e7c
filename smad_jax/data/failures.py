"""Failures of loaders as columns of arrays, which processes and batches pass on."""

from collections.abc import Mapping

import numpy as np

from smad_jax.data import bad_videos, catalog, video_facts

_DETAIL_BYTES = 200  # of a failure's description


def columns(
    row: int, failure: video_facts.VideoError | None
) -> dict[str, np.ndarray | np.generic]:
    """Returns the columns of an element on a failure, or on none."""
    detail = np.zeros(_DETAIL_BYTES, np.uint8)
    if failure is not None:
        text = failure.detail.encode()[:_DETAIL_BYTES]
        detail[: len(text)] = np.frombuffer(text, np.uint8)
    code = -1 if failure is None else video_facts.REASONS.index(failure.reason)
    return {"failure": np.int32(code), "failed_row": np.int32(row), "detail": detail}


def record(
    arrays: Mapping[str, np.ndarray],
    split: catalog.Split,
    bad: bad_videos.BadVideos,
) -> None:
    """Passes the failures of a batch to the count of bad videos."""
    for row in np.flatnonzero(arrays["failure"] >= 0):
        failed, used = int(arrays["failed_row"][row]), int(arrays["index"][row])
        bad.record(
            failed,
            split.ids[failed],
            video_facts.REASONS[arrays["failure"][row]],
            arrays["detail"][row].tobytes().rstrip(b"\0").decode(errors="ignore"),
            split.ids[used] if used != failed else None,
        )
