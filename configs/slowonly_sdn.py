"""SlowOnly with SDN, a compared method of Table 3.

    python main.py --config configs/slowonly_sdn.py
    python main.py --config configs/slowonly_sdn.py:k200db,boxes=people.npz
    python main.py --config configs/slowonly_sdn.py:k200db,mode=scene_only

SDN makes the action uncertain on clips without people. The first finds people by motion
and colour, the second in a file of detected boxes (its form: smad_jax/data/people.py).
`mode=scene_only` is the scene adversary alone; `turns=joint` trains whole and masked
clips in one update.

Paper: 54.0 on K200db-val, 55.3 on ARAS-64, without saying how SDN was combined with
SlowOnly, or whether with masked clips. This is one stage from scratch, as in every row;
the authors train three, from weights of actions alone. Cost: twice the baseline's, as a
step is two updates with `turns=alternate`, the default.
"""

from ml_collections import ConfigDict

from configs import arguments, base, recipes, small


def get_config(arg: str = "") -> ConfigDict:
    """Returns the baseline's recipe with SDN's scene head and masked clips."""
    choice = parse(arg)
    config = debias(recipes.slowonly(choice), choice)
    return small.adjust(config)


def parse(arg: str) -> ConfigDict:
    """Reads the argument of a config of SDN.

    Raises:
        ValueError: as `arguments.parse`, or for settings of masked clips that are not
            used.
    """
    choice = arguments.parse(
        arg, mode=("paper", "scene_only"), turns=("alternate", "joint"), boxes=()
    )
    if choice.mode == "scene_only" and (choice.boxes or choice.turns != "alternate"):
        raise ValueError(
            f"mode=scene_only has no clips without people; leave boxes= and turns= out "
            f"of the config's argument {arg!r}"
        )
    return choice


def debias(config: ConfigDict, choice: ConfigDict) -> ConfigDict:
    """Adds SDN to a recipe, with the values of the authors' code."""
    config.method.name = "sdn"
    config.method.aspects = ("scene",)
    # 0.5 in the authors' last stage, 1 in the one without masks
    config.method.settings.reversal = 0.5 if choice.mode == "paper" else 1.0
    config.method.settings.hidden = (512, 512, 512)
    if choice.mode == "scene_only":
        return config
    config.method.settings.confusion_weight = 1.0
    config.data.masked = base.masked_stream()
    config.data.masked.turns = choice.turns
    config.data.masked.boxes = choice.boxes
    return config
