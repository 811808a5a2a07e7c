"""Reports that commands leave beside the features they are of, for Table 5 to find."""

import json
import pathlib
from collections.abc import Sequence


def few_shot(split: str) -> str:
    """Names the report of few-shot episodes of DATASET/SPLIT."""
    return f"few_shot-{split.replace('/', '-')}.json"


def svm(tests: Sequence[str]) -> str:
    """Names the report of linear SVMs by their test lists, DATASET/SPLIT each."""
    return f"svm-{'-'.join(test.replace('/', '-') for test in tests)}.json"


def accuracy(path: pathlib.Path, name: str) -> float | None:
    """Returns an accuracy of a report, 0 to 1, if it is one for Table 5.

    Args:
        path: The report.
        name: `mean` of an SVM's; `1-shot` of episodes, which are five-way and 10,000
            in the paper.

    Returns:
        None if the file is not there or was made with other settings.
    """
    try:
        found = json.loads(path.read_text("utf-8")).get(name)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(found, dict):
        return found
    paper = found["num_ways"] == 5 and found["num_episodes"] >= 10_000
    return found["accuracy"] if paper else None


def write(path: pathlib.Path, content: object) -> None:
    """Writes a JSON file that is never seen half written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    part.replace(path)
