"""The recipes that experiments start from (App. C), and their data.

A config file picks a recipe and states its differences. The argument after the
colon chooses the data: `embedded`, the procedural benchmark that needs no
download, is the default; `k200db`, `k200both`, `minikinetics` and `k400` are the
paper's, with its full recipe; any other name is a data set of your own in the data
folder.
"""

import ml_collections

EMBEDDED = "embedded"
EMBEDDED_WEB = "embedded-web"

# Where each training set lies and what it is tested on: dataset/split.
PAPER_DATA = {
    "k200db": {
        "train": "kinetics400/k200db-train",
        "tests": {
            "k200db-val": "kinetics400/k200db-val",
            "k200-val": "kinetics400/k200-val",
            "aras64": "aras/aras64",
        },
    },
    "k200both": {
        "train": "kinetics400/k200both-train",
        "tests": {"k200both-val": "kinetics400/k200both-val"},
    },
    "minikinetics": {
        "train": "kinetics400/mini-train",
        "tests": {"val": "kinetics400/mini-val"},
    },
    "k400": {
        "train": "kinetics400/train",
        "tests": {"k400-val": "kinetics400/val", "aras104": "aras/aras104"},
    },
}
# Whose unlabelled videos methods adapt to where nothing is said (Table 3).
TARGETS = {
    EMBEDDED: "tail",
    "k200db": "k200db-val",
    "k200both": "k200both-val",
    "k400": "k400-val",
}
# The paper's web data by medium: GoogleImg (GG) and InsVideo (IG) of OmniSource, with
# the thirds of either set of classes as its splits (App. B).
PAPER_WEB = {"images": "googleimage", "videos": "insvideo"}
PAPER_CLASSES = {
    "k200db": "k200",
    "k200both": "k200",
    "k400": "k400",
    "minikinetics": "k200",  # the 200 classes that OmniSource has web data of
}


def parse(arg: str, **known: tuple[str, ...]) -> ml_collections.ConfigDict:
    """Reads a config's argument: a data set's name, or `key=value`, with commas.

    `k200db`, `k200db,saar=off` and `aspects=scene+object` are examples.

    Args:
        arg: What followed the colon on the command line.
        **known: For each key of the config its possible values, the default first;
            an empty tuple for any value.

    Returns:
        The choices, `train` (the data) among them.

    Raises:
        ValueError: for an unknown key or value, with the known ones.
    """
    choice = {"train": EMBEDDED}
    choice |= {key: values[0] if values else "" for key, values in known.items()}
    for part in filter(None, arg.split(",")):
        key, _, value = part.rpartition("=")
        key = key or "train"
        if key not in choice:
            raise ValueError(
                f"unknown key {key!r} in the config's argument {arg!r}; "
                f"known: {', '.join(sorted(choice))}"
            )
        if known.get(key) and value not in known[key]:
            raise ValueError(
                f"unknown {key}={value!r} in the config's argument {arg!r}; "
                f"known: {', '.join(known[key])}"
            )
        choice[key] = value
    return ml_collections.ConfigDict(choice)


_SMAD_KEYS: dict[str, tuple[str, ...]] = {
    "aspects": (),
    "saar": ("on", "off"),
    "loss": ("both", "soft_ce", "kl"),
    "labels": ("given", "shuffled"),
    "weights": ("divided", "each"),
}


def parse_smad(arg: str) -> ml_collections.ConfigDict:
    """Reads the argument of the SMAD configs; see slowonly_smad.py for its keys."""
    return _with_aspects(parse(arg, **_SMAD_KEYS))


def _with_aspects(choice: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Fills in the aspects where the argument says none."""
    # The paper does not name the aspects of its headline rows. Own videos have
    # a scene label from data_prep.pseudo_label and seldom another.
    known = choice.train == EMBEDDED or choice.train in PAPER_CLASSES
    choice.aspects = choice.aspects or ("scene+object" if known else "scene")
    return choice


def parse_finetune(arg: str, *, run: str) -> ml_collections.ConfigDict:
    """Reads the argument of the fine-tuning configs; see finetune.py for its keys.

    Args:
        arg: What followed the colon on the command line.
        run: The run to start from on real videos if it does not say.
    """
    choice = parse(
        arg, run=(), saar=("on", "off"), split=("1", "2", "3"), labels=("v2", "v1")
    )
    if not choice.run:  # that of the embedded benchmark has no data in its name
        choice.run = run.partition("-")[0] if choice.train == EMBEDDED else run
    return choice


def parse_omnidebias(
    arg: str, media: str, **further: tuple[str, ...]
) -> ml_collections.ConfigDict:
    """Reads the argument of the OmniDebias configs; see slowonly_omnidebias.py.

    Args:
        arg: What followed the colon on the command line.
        media: The web media to use if it does not say.
        **further: More keys, as of `parse`.

    Raises:
        ValueError: for an unknown key or value, or a choice that the data do not leave.
    """
    known = [media, *(m for m in ("images", "videos", "images+videos") if m != media)]
    parts = ("unbias", "bias", "mid", "rand", "all", "none")
    choice = parse(arg, web=parts, media=tuple(known), **further)
    if choice.train == EMBEDDED and "media=" in arg:
        raise ValueError(
            "the embedded benchmark's web data are one set of images and clips; leave "
            f"media= out of the config's argument {arg!r}"
        )
    return choice


def parse_combined(arg: str, media: str) -> ml_collections.ConfigDict:
    """Reads the argument of the combined configs: SMAD's keys and OmniDebias'."""
    return _with_aspects(parse_omnidebias(arg, media, **_SMAD_KEYS))


def base() -> ml_collections.ConfigDict:
    """Returns every key there is, at its plainest value."""
    section = ml_collections.ConfigDict
    config = section()
    config.seed = 0
    config.data = section()
    config.data.root = ""  # empty: $DATA_ROOT, else the folder `datasets`
    config.data.train = ""
    config.data.target = ""  # unlabelled videos to adapt to, for methods that do
    config.data.target_batch_size = 0  # 0: as many as of the training set
    config.data.embedded_seed = 0  # which draw of the embedded benchmark
    config.data.embedded_scale = 1.0  # share of its videos
    config.data.aspect_labels = "given"  # or `shuffled` among videos, a control
    config.data.groups = ""  # an aspect: groups of class and rarity, for some methods
    config.data.holdout = 0.0  # share of the training videos kept to fit on afterwards
    config.data.batch_size = 0
    config.data.max_videos = 0  # 0: all
    config.data.num_threads = 2  # of each stream
    config.data.num_workers = 0  # processes; 0: decode in this one
    config.data.cache_mib = 0  # decoded frames to keep in memory
    config.data.bad_video_limit = 0.05
    config.data.sampling = section()
    config.data.sampling.test_rule = "mmaction2-0.x"  # or `mmaction2-1.x`
    config.data.transform = section()
    config.data.web = section()  # streams of joint training by name: `web_stream`
    config.data.web_every = 1  # training batches from one turn of theirs to the next
    config.data.masked = section()  # clips without people, for SDN: `masked_stream`
    config.model = section()
    config.model.name = ""
    config.model.saar = False
    config.model.dropout = 0.0
    config.model.ghost_size = 0  # videos sharing batch statistics; 0: all
    config.model.ghost_statistics = "mean"  # or `first`: as the reference keeps them
    config.model.dtype = "float32"
    config.init = section()
    config.init.folder = ""  # weights to start from; empty: random ones
    config.init.allow = ()  # patterns of paths that start fresh if they do not fit
    config.init.fresh = ()  # patterns of paths that start fresh whatever is there
    config.method = section()
    config.method.name = "baseline"
    config.method.aspects = ()
    config.method.ramp = "constant"  # or `dann`
    config.method.settings = section()
    config.optimizer = section()
    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.0
    config.optimizer.base_batch_size = 0  # the rate is for this many; 0: as it is
    config.optimizer.schedule = "cosine"  # or `steps`
    config.optimizer.warmup_epochs = 0
    config.optimizer.milestones = ()
    config.optimizer.weight_decay = 0.0
    config.optimizer.momentum = 0.0
    config.optimizer.clip_norm = 0.0
    config.training = section()
    config.training.epochs = 0
    config.training.max_steps = 0  # 0: all epochs
    config.training.log_every = 50
    config.training.save_every_epochs = 1
    config.training.watch_videos = 4  # actionness in TensorBoard at every checkpoint
    config.training.on_non_finite = "stop"  # or `skip`
    config.evaluation = section()
    config.evaluation.sets = section()
    config.evaluation.batch_size = 8
    config.evaluation.view_chunk = 32
    return config


def slowonly(train: str) -> ml_collections.ConfigDict:
    """SlowOnly-8x8-R18 from scratch: 8 groups of 16, 196 epochs (App. C)."""
    config = base()
    _set_data(config, train)
    if train == EMBEDDED:
        return _embedded(config)
    config.model.name = "slowonly_r18"
    config.model.dropout = 0.5
    config.model.ghost_size = 16
    config.data.batch_size = 8 * 16
    config.data.sampling.kind = "clip"
    config.data.sampling.num_frames = 8
    config.data.sampling.stride = 8
    config.data.sampling.test_views = 10
    config.optimizer.learning_rate = 0.2
    config.optimizer.warmup_epochs = 34
    config.training.epochs = 196
    return _kinetics(config)


def tsn(train: str) -> ml_collections.ConfigDict:
    """TSN-3seg-R50 from ImageNet weights: 8 groups of 32, 100 epochs (App. C)."""
    config = base()
    _set_data(config, train)
    if train == EMBEDDED:
        config = _embedded(config)
        config.model.name = "tsn_tiny"
        config.data.sampling.kind = "segments"
        config.data.sampling.num_frames = 3
        config.data.sampling.test_views = 4
        return config
    config.model.name = "resnet50"
    config.init.folder = "weights/resnet50_imagenet"
    config.init.allow = ("head/*", "saar/*")
    config.model.dropout = 0.4
    config.model.ghost_size = 32
    config.data.batch_size = 8 * 32
    config.data.sampling.kind = "segments"
    config.data.sampling.num_frames = 3
    config.data.sampling.stride = 1
    config.data.sampling.test_views = 25
    config.evaluation.view_chunk = 8  # of 25 frames each
    config.optimizer.learning_rate = 0.01
    config.optimizer.schedule = "steps"
    config.optimizer.milestones = (40, 80)
    config.training.epochs = 100
    return _kinetics(config)


def finetune(
    config: ml_collections.ConfigDict, choice: ml_collections.ConfigDict
) -> ml_collections.ConfigDict:
    """Starts from a finished run, with a new classifier (Table 6).

    Of the run only the network is taken: the method is the plain baseline, so the
    adversarial heads are left behind, while SAAR is part of the backbone and stays.
    """
    config.init.folder = choice.run
    config.init.fresh = ("head/*",)  # though there may be as many classes
    config.model.saar = choice.saar == "on"
    if choice.train == EMBEDDED:
        config.data.embedded_seed = 1  # the run's own draw is that of seed 0
        config.optimizer.learning_rate = 1e-3
        config.training.epochs = 4
        return config
    names = {  # of the official lists, where there are several
        "ucf101": ("train{split}", "val{split}"),
        "hmdb51": ("train{split}", "val{split}"),
        "diving48": ("train", "val")
        if choice.labels == "v1"
        else ("v2-train", "v2-val"),
    }.get(choice.train)
    if names:
        train, test = (name.format(split=choice.split) for name in names)
        config.data.train = f"{choice.train}/{train}"
        config.evaluation.sets = ml_collections.ConfigDict(
            {f"{choice.train}-{test}": f"{choice.train}/{test}"}
        )
    # Unstated in the paper, but for the networks; linear in the batch size.
    config.optimizer.learning_rate = 0.01
    config.optimizer.warmup_epochs = 0
    config.training.epochs = 50
    return config


def resnet3d(train: str) -> ml_collections.ConfigDict:
    """ResNet3D-18 on 16 frames at 112 pixels, tested on all of a video (Table 6).

    How the paper pre-trains it is not said; the recipe is that of its SlowOnly.
    """
    config = slowonly(train)
    if train == EMBEDDED:
        config.model.name = "resnet3d_tiny"
        config.data.sampling.test_views = 0  # windows up to its end, as SDN tests
        return config
    config.model.name = "resnet3d_18"
    config.data.sampling.num_frames = 16
    config.data.sampling.stride = 1
    config.data.sampling.test_views = 0
    config.data.transform.resize = 112
    config.data.transform.size = 112
    return config


def sdn(
    config: ml_collections.ConfigDict, choice: ml_collections.ConfigDict
) -> ml_collections.ConfigDict:
    """Adds SDN's scene head and masked clips as `choice` wants them (Tables 3, 6)."""
    config.method.name = "sdn"
    config.method.aspects = ("scene",)
    config.method.settings.reversal = 0.5  # of the authors' last stage
    config.method.settings.hidden = (512, 512, 512)
    if choice.mode == "scene_only":
        config.method.settings.reversal = 1.0  # of their stage without masks
        return config
    config.method.settings.confusion_weight = 1.0
    config.data.masked = masked_stream()
    config.data.masked.turns = choice.turns
    config.data.masked.boxes = choice.boxes
    return config


def parse_sdn(arg: str) -> ml_collections.ConfigDict:
    """Reads the argument of the SDN configs; see slowonly_sdn.py for its keys.

    Raises:
        ValueError: for what `parse` refuses, and for masked clips without a use.
    """
    choice = parse(
        arg, mode=("paper", "scene_only"), turns=("alternate", "joint"), boxes=()
    )
    if choice.mode == "scene_only" and (choice.boxes or choice.turns != "alternate"):
        raise ValueError(
            f"mode=scene_only has no clips without people; leave boxes= and turns= out "
            f"of the config's argument {arg!r}"
        )
    return choice


def smad(
    config: ml_collections.ConfigDict, choice: ml_collections.ConfigDict
) -> ml_collections.ConfigDict:
    """Adds SMAD as `choice` (from `parse`) wants it: Tables 7, 8 and 13."""
    config.model.saar = choice.saar == "on"
    if choice.aspects == "none":
        return config
    config.method.name = "smad"
    config.method.aspects = tuple(choice.aspects.split("+"))
    config.data.aspect_labels = choice.labels
    weights = {"soft_ce": (1.0, 0.0), "kl": (0.0, 1.0), "both": (1.0, 1.0)}
    soft_ce, kl = weights[choice.loss]
    scale = 0.5  # Sec. 6.1
    if choice.train == EMBEDDED:
        # what tuning chose with adversaries; see docs/results/smad.md
        scale = 0.15
        config.method.ramp = "constant" if config.model.saar else "dann"
        config.optimizer.learning_rate = 3e-3
    config.method.settings.soft_ce_weight = scale * soft_ce
    config.method.settings.kl_weight = scale * kl
    config.method.settings.tags_weight = 10 * scale  # 5 in Sec. 6.1
    config.method.settings.kl_reduction = "batchmean"  # Eq. 4; or `mean`
    config.method.settings.weights = choice.weights
    return config


def tuned(
    config: ml_collections.ConfigDict, *, ramp: str = "", **settings: float
) -> ml_collections.ConfigDict:
    """On the embedded benchmark, sets what tuning chose with a rate of 0.003.

    Args:
        config: To be changed; that of other data stays as it is.
        ramp: How the adversary grows, where another than the usual way was chosen.
        **settings: Of the method, where others than the usual ones were chosen.
    """
    if config.data.train == f"{EMBEDDED}/train":
        config.optimizer.learning_rate = 3e-3
        config.method.ramp = ramp or config.method.ramp
        config.method.settings.update(settings)
    return config


def adapting(arg: str) -> ml_collections.ConfigDict:
    """SlowOnly that sees a test set's videos without labels: DANN and MMD of Table 3.

    A model is for one target. A device's batch statistics are over as many videos of
    the target as of the training set, so ghost groups are twice as large.

    Args:
        arg: What followed the colon on the command line: data, and `target=` the name
            of one of its test sets.

    Raises:
        ValueError: if the data has no such test set.
    """
    choice = parse(arg, target=())
    config = slowonly(choice.train)
    name = choice.target or TARGETS.get(choice.train, "val")
    if name not in config.evaluation.sets:
        raise ValueError(
            f"unknown target={name!r} in the config's argument {arg!r}; known: "
            f"{', '.join(config.evaluation.sets)}"
        )
    config.data.target = config.evaluation.sets[name]
    config.model.ghost_size *= 2
    return config


def masked_stream() -> ml_collections.ConfigDict:
    """Returns every key of the stream of clips without people, as SDN has them."""
    stream = ml_collections.ConfigDict()
    stream.boxes = ""  # file of boxes around people, .json or .npz; empty: none
    stream.without_boxes = "guess"  # or `leave_out` videos that it does not list
    stream.turns = "alternate"  # or `joint`
    stream.batch_size = 0  # 0: as many as of the training set
    stream.min_score = 0.3  # of a box that is painted
    stream.min_share = 0.7  # of a video's frames with a box, or it is left out
    return stream


def web_stream() -> ml_collections.ConfigDict:
    """Returns every key of a web stream, at its plainest value."""
    stream = ml_collections.ConfigDict()
    stream.split = ""  # dataset/split
    stream.batch_size = 0
    stream.batches = 1  # taken at each of its turns
    stream.class_power = 1.0  # 0.5: OmniSource's balancing; 0: classes equal
    stream.num_frames = 0  # of a clip; 0: as in training, 1: an image as it is
    stream.aspect_labels = "given"  # where there are any; or `none`
    return stream


def omnidebias(
    config: ml_collections.ConfigDict, choice: ml_collections.ConfigDict
) -> ml_collections.ConfigDict:
    """Adds web streams as `choice` wants them (Sec. 5.2): Tables 9, 14 and 15.

    The paper gives neither batch sizes nor the ratio of batches. For TSN 64 images a
    device are OmniSource's; elsewhere a web batch is as large as one of the training
    set. A batch of every stream follows each of these, OmniSource's default; its config
    of three web sources takes them at every second one.
    """
    if choice.web == "none":
        return config
    if choice.train == EMBEDDED:
        return _embedded_web(config, choice.web)
    is_tsn = config.data.sampling.kind == "segments"
    for medium in choice.media.split("+"):
        stream = web_stream()
        if choice.train in PAPER_CLASSES:
            classes = PAPER_CLASSES[choice.train]
            stream.split = f"{PAPER_WEB[medium]}/{classes}-{choice.web}"
        else:
            stream.split = f"{choice.train}-{medium}/web-{choice.web}"
        stream.batch_size = config.data.batch_size
        if medium == "videos":
            stream.class_power = 0.5
        elif is_tsn:
            stream.batch_size = 8 * 64
            stream.num_frames = 1
        config.data.web[medium] = stream
    return config


def _embedded_web(
    config: ml_collections.ConfigDict, part: str
) -> ml_collections.ConfigDict:
    """Adds the embedded web data, at the number of optimiser steps of the baseline.

    A web batch after every third of the training set: 2,500 videos and the 800 or so
    media of a third are each seen about equally often then, as if they were one set.
    """
    stream = web_stream()
    stream.split = f"{EMBEDDED_WEB}/web-{part}"
    stream.batch_size = config.data.batch_size
    config.data.web.media = stream
    config.data.web_every = 3
    # 9 epochs and a third more steps make the 12 epochs of the row without web data
    config.training.epochs = 3 * config.training.epochs // 4
    return config


def smoke(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Shrinks any config to seconds: two steps, few videos, small frames."""
    config.data.embedded_scale = 0.05
    config.data.batch_size = 8
    config.data.target_batch_size = 0
    if config.data.masked:
        config.data.masked.batch_size = 0
    for stream in config.data.web.values():
        stream.batch_size = 8
    config.data.max_videos = 16
    config.model.ghost_size = min(config.model.ghost_size, 4)
    config.data.transform.size = min(config.data.transform.size, 32)
    config.data.transform.resize = min(config.data.transform.resize, 36)
    config.data.sampling.test_views = min(config.data.sampling.test_views, 2)
    config.training.max_steps = 2
    config.training.log_every = 1
    config.training.watch_videos = 0
    return config


def _set_data(config: ml_collections.ConfigDict, train: str) -> None:
    """Names the training split and the test splits."""
    own = {"train": f"{train}/train", "tests": {"val": f"{train}/val"}}
    embedded = {
        "train": "embedded/train",
        "tests": {name: f"embedded/{name}" for name in ("iid", "tail", "rare")},
    }
    data = (PAPER_DATA | {EMBEDDED: embedded}).get(train, own)
    config.data.train = data["train"]
    for name, place in data["tests"].items():
        config.evaluation.sets[name] = place


def _kinetics(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """What both networks share on real videos: crops and SGD (App. C)."""
    config.data.num_threads = 16
    config.data.transform.kind = "random_resized_crop"
    config.data.transform.resize = 256  # short side, in pixels
    config.data.transform.size = 224
    config.optimizer.base_batch_size = config.data.batch_size
    config.optimizer.weight_decay = 1e-4
    config.optimizer.momentum = 0.9
    config.optimizer.clip_norm = 40.0
    return config


def _embedded(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """The small network and its optimiser; chosen on the tuning pool alone."""
    config.model.name = "slowonly_tiny"
    config.data.batch_size = 16
    config.data.cache_mib = 256
    config.data.sampling.kind = "clip"
    config.data.sampling.num_frames = 4
    config.data.sampling.stride = 1
    config.data.sampling.test_views = 1
    config.data.transform.kind = "random_shift"
    config.data.transform.resize = 32
    config.data.transform.size = 32
    config.data.transform.shift = 2
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 6e-3
    config.optimizer.base_batch_size = 16
    config.optimizer.warmup_epochs = 1
    config.optimizer.weight_decay = 1e-3
    config.optimizer.clip_norm = 5.0
    config.training.epochs = 12
    config.evaluation.batch_size = 50
    config.evaluation.view_chunk = 50
    return config
