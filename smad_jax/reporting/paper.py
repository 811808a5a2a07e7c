"""Every number in the tables of the paper (Duan et al., ECCV 2022), as published.

Accuracies are in per cent, NMI between 0 and 1, sizes in videos or images. A cell is a
number, or a number with the change that the paper prints beside it: against the
baseline, in Table 4 against the true labels, in Table 10 against a random split. Names
of rows and columns are the paper's; if one name has two settings, the distinction is
before the colon. Its text has one error: App. D.3 refers to Table 8 instead of 9.
"""

from typing import NamedTuple


class Cell(NamedTuple):
    """A number, and the change printed beside it if there is one."""

    value: float
    change: float | None = None


class Row(NamedTuple):
    """A row; `None` where the paper has a dash or nothing."""

    name: str
    cells: tuple[Cell | None, ...]


class Table(NamedTuple):
    """A table.

    Attributes:
        title: Its content, in our words.
        columns: Names of the columns.
        rows: From top to bottom.
        digits: Decimals of its numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    digits: int = 1


def _row(name: str, *cells: float | tuple[float, float] | None) -> Row:
    """A row of numbers, or of pairs with a change."""
    return Row(
        name,
        tuple(
            None if c is None else Cell(*c) if isinstance(c, tuple) else Cell(c)
            for c in cells
        ),
    )


_THREE_SETS = ("ARAS-64", "K200db-val", "K200-val")

_MAIN = {
    1: Table(
        "Accuracy of the baselines on three test sets",
        ("Top1 Acc",),
        (
            _row("TSN: K200-val", 76.2),
            _row("TSN: K200-unbias", (53.7, -22.5)),
            _row("TSN: ARAS-64", (55.8, -20.4)),
            _row("SlowOnly: K200-val", 75.1),
            _row("SlowOnly: K200-unbias", (51.9, -23.2)),
            _row("SlowOnly: ARAS-64", (51.0, -24.1)),
        ),
    ),
    2: Table(
        "SMAD, OmniDebias and both",
        tuple(
            f"{component}: {place}"
            for component in ("SMAD", "OmniDebias", "Combination")
            for place in ("ARAS", "K200db-val", "K200/400-val")
        ),
        (
            _row(
                "2D K200db-train",
                *((60.3, 4.5), (55.7, 2.0), (75.5, -0.7)),
                *((68.3, 12.5), (60.0, 6.3), (77.4, 1.2)),
                *((70.9, 15.1), (62.0, 8.3), (78.1, 1.9)),
            ),
            _row(
                "3D K200db-train",
                *((58.4, 7.4), (55.0, 3.1), (74.6, -0.5)),
                *((69.2, 18.2), (60.7, 8.8), (78.7, 3.6)),
                *((71.6, 20.6), (62.7, 10.8), (78.4, 3.3)),
            ),
            _row(
                "2D K400-train",
                *((56.2, 2.1), None, (70.0, -0.6)),
                *((60.2, 6.1), None, (71.3, 0.7)),
                *((61.8, 7.7), None, (71.4, 0.8)),
            ),
            _row(
                "3D K400-train",
                *((55.0, 3.5), None, (68.2, -0.1)),
                *((60.2, 8.7), None, (71.0, 2.7)),
                *((61.2, 9.7), None, (70.8, 2.5)),
            ),
        ),
    ),
    3: Table(
        "SMAD and other methods, SlowOnly-R18 trained on K200db-train",
        ("K200db-val", "ARAS-64"),
        (
            _row("Baseline", 51.9, 51.0),
            _row("AdaBN", 52.0, 52.3),
            _row("FrameShuffle", 52.4, 51.3),
            _row("SDN", 54.0, 55.3),
            _row("DANN", 52.4, 53.3),
            _row("MMD", 52.7, 53.1),
            _row("SAVA", 53.4, 54.0),
            _row("SMAD", 55.0, 58.4),
        ),
    ),
    4: Table(
        "Dependence on the scene on K200-val, as NMI; of the true labels 0.487",
        ("Independence", "Separation", "Sufficiency"),
        (
            _row("Baseline", (0.498, 0.011), 0.376, 0.356),
            _row("SMAD", (0.490, 0.003), 0.373, 0.366),
            _row("OmniDebias", (0.496, 0.009), 0.334, 0.321),
            _row("Combination", (0.491, 0.004), 0.321, 0.327),
        ),
        digits=3,
    ),
    5: Table(
        "Few-shot learning and a linear SVM on frozen features",
        ("GYM-1shot", "GYM-5shot", "HMDB51", "UCF101", "Diving48"),
        (
            _row("w/o. Debiasing", 42.2, 52.9, 49.9, 84.3, 17.3),
            _row("+ SMAD", 45.5, 56.4, 50.9, 84.9, 18.9),
            _row("+ IG-all", 46.6, 58.4, 54.3, 88.4, 19.8),
            _row("+ IG-unbias", 47.1, 59.5, 55.9, 88.8, 20.9),
            _row("+ SMAD, IG-unbias", 51.7, 62.1, 57.2, 89.9, 22.3),
        ),
    ),
    6: Table(
        "Fine-tuning; Diving48* has the first version of the labels",
        ("HMDB51", "UCF101", "Diving48*", "Diving48"),
        (
            _row("ResNet3D-16x1 MiniKinetics", 53.6, 83.5, 18.0, None),
            _row("+ SDN MiniKinetics", 56.7, 84.5, 20.5, None),
            _row("+ SMAD MiniKinetics", 57.2, 84.7, 20.9, None),
            _row("+ SMAD, IG-unbias MiniKinetics", 61.2, 88.2, 22.6, None),
            _row("SlowOnly-8x8 K200db-train", 62.6, 89.6, 25.5, 53.9),
            _row("+ SMAD K200db-train", 64.0, 90.4, 26.7, 55.7),
            _row("+ SMAD, IG-unbias K200db-train", 67.3, 93.3, 28.2, 59.7),
        ),
    ),
    7: Table(
        "The parts of SMAD",
        ("Baseline", "MAAT", "SAAR", "MAAT + SAAR"),
        (
            _row("ARAS-64", 51.0, 55.8, 51.6, 58.4),
            _row("K200db-val", 51.9, 54.3, 52.7, 55.0),
        ),
    ),
    8: Table(
        "Aspects, on the validation half of K200-both-split",
        ("K200db-val",),
        (
            _row("None", 51.7),
            _row("scene", (53.2, 1.5)),
            _row("object", (52.9, 1.2)),
            _row("scene, object", (53.5, 1.8)),
            _row("scene, object, event, attribute, context", (53.8, 2.1)),
        ),
    ),
    9: Table(
        "Parts of the web data in joint training",
        _THREE_SETS,
        (
            _row("2D: None", 55.8, 53.7, 76.2),
            _row("2D: GG-bias", (60.0, 4.2), (53.9, 0.2), (76.0, -0.2)),
            _row("2D: GG-mid", (60.5, 4.7), (55.1, 1.4), (76.3, 0.1)),
            _row("2D: GG-rand", (64.1, 8.3), (57.5, 3.8), (77.2, 1.0)),
            _row("2D: GG-all", (65.5, 9.7), (58.4, 4.7), (77.8, 1.6)),
            _row("2D: GG-unbias", (68.3, 12.5), (60.0, 6.3), (77.4, 1.2)),
            _row("3D: None", 51.0, 51.9, 75.1),
            _row("3D: IG-rand", (62.3, 11.3), (56.8, 4.9), (77.4, 2.3)),
            _row("3D: IG-all", (63.4, 12.4), (58.5, 6.6), (78.3, 3.2)),
            _row("3D: IG-unbias", (64.7, 13.7), (59.8, 7.9), (78.1, 3.0)),
        ),
    ),
}

_SUPPLEMENT = {
    10: Table(
        "NMI of action and scene, or object, after re-distribution",
        ("I(A,S)", "I(A,O)"),
        (
            _row("scene: K200db-train", (0.466, 0.069), None),
            _row("scene: K200db-val", (0.374, -0.114), None),
            _row("object: K200db-train", None, (0.473, 0.033)),
            _row("object: K200db-val", None, (0.431, -0.104)),
            _row("scene & object: K200db-train", (0.442, 0.045), (0.480, 0.040)),
            _row("scene & object: K200db-val", (0.393, -0.095), (0.456, -0.079)),
        ),
        digits=3,
    ),
    11: Table(
        "Sizes of the web data, Positive being what the teacher keeps",
        ("GoogleImage", "InstagramVideo"),
        (
            _row("Raw", 6_000_000, 1_100_000),
            _row("Positive-200", 1_100_000, 341_000),
            _row("Positive-200 1/3", 379_000, 114_000),
            _row("Positive-400", 1_900_000, 481_000),
            _row("Positive-400 1/3", 620_000, 160_000),
        ),
        digits=0,
    ),
    12: Table(
        "NMI of action and scene in parts of the web data",
        ("GG-200", "IG-200", "GG-400", "IG-400"),
        (
            _row("all", 0.476, 0.399, 0.458, 0.388),
            _row("rand", 0.481, 0.412, 0.464, 0.402),
            _row("bias", 0.801, 0.746, 0.779, 0.731),
            _row("mid", 0.687, 0.625, 0.665, 0.604),
            _row("unbias", 0.371, 0.302, 0.352, 0.295),
        ),
        digits=3,
    ),
    13: Table(
        "Losses for soft labels",
        ("Baseline", "SoftCE", "KL", "SoftCE + KL"),
        (
            _row("ARAS-64", 51.0, 56.3, 56.6, 58.4),
            _row("K200-unbias", 51.9, 54.7, 54.5, 55.0),
        ),
    ),
    14: Table(
        "Web images, and images with videos, for the 3D baseline",
        _THREE_SETS,
        (
            _row("GG-rand", 58.9, 54.1, 75.0),
            _row("GG-all", 61.7, 55.1, 75.9),
            _row("GG-unbias", 65.3, 56.2, 75.2),
            _row("[GG+IG]-rand", 65.6, 58.0, 78.2),
            _row("[GG+IG]-all", 64.7, 58.7, 78.3),
            _row("[GG+IG]-unbias", 69.2, 60.7, 78.7),
        ),
    ),
    15: Table(
        "Web data beside the whole of Kinetics-400",
        ("ARAS-104", "K400-val"),
        (
            _row("2D: GG-all", 58.3, 71.7),
            _row("2D: GG-unbias", 60.2, 71.3),
            _row("3D: [GG+IG]-all", 58.3, 70.7),
            _row("3D: [GG+IG]-unbias", 60.2, 71.0),
        ),
    ),
}

TABLES = _MAIN | _SUPPLEMENT
