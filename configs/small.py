"""The choice of a recipe: the paper's, the embedded benchmark's, or the tiny one.

An experiment file states the paper's numbers and ends with `adjust`, which replaces
them on the embedded benchmark and where the argument has `size=tiny`. No other file
depends on which data are chosen.
"""

from ml_collections import ConfigDict

from configs import data, embedded, tiny


def adjust(config: ConfigDict, tuned: str | None = None) -> ConfigDict:
    """Replaces the paper's recipe on the embedded benchmark, or by the tiny one.

    Args:
        config: The paper's recipe, complete; otherwise it is left as it is.
        tuned: A row of `embedded.TUNED`, or empty for none; by default the method's.

    Returns:
        `config`.
    """
    if tuned is None:
        method, saar = config.method.name, config.model.saar
        other = {("smad", False): "maat", ("baseline", True): "saar"}
        tuned = other.get((method, saar), method)
    editions = {edition.train: name for name, edition in data.EMBEDDED.items()}
    if edition := editions.get(config.data.train):
        return embedded.apply(config, embedded.tuned(tuned, edition), edition)
    row = embedded.tuned(tuned)
    return tiny.apply(config, row) if config.recipe == "tiny" else config
