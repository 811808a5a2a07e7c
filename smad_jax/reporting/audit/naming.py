"""Makes users' names of classes, scenes and ids safe inside our text."""

import unicodedata

UNNAMED = "model"  # key of a single model without a name


def quoted(text: str) -> str:
    """Returns a name in quotation marks that leaves the text around it intact.

    Control and direction characters are dropped, and the rest is isolated, so that an
    Arabic name inside an English sentence leaves its numbers in place.
    """
    return f"“\u2068{plain(text)}\u2069”"


def model(name: str) -> str:
    """Returns the name of a model inside a sentence."""
    return "the model" if name == UNNAMED else quoted(name)


def plain(text: str) -> str:
    """Returns a name without control and direction characters, at most 80 long."""
    kept = plain_text(text).strip() or "(no name)"
    return kept if len(kept) <= 80 else f"{kept[:79]}…"


def plain_text(text: str) -> str:
    """Returns a text without control and direction characters."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs"))
