"""Every key of a config at its plainest value; recipes and experiments set the rest."""

from ml_collections import ConfigDict


def base() -> ConfigDict:
    """Returns every key but those of sampling, transform and the method's settings."""
    config = ConfigDict()
    config.recipe = "paper"  # or `tiny`: where the numbers below come from
    config.seed = 0  # parameters, order of the videos, augmentation
    config.data = _data()
    for section in ("model", "init", "method", "optimizer", "training", "evaluation"):
        config[section] = ConfigDict()
    config.model.name = ""  # a key of smad_jax.models.MODELS
    config.model.saar = False  # reweight by actionness, Sec. 5.1
    config.model.dropout = 0.0  # of features, before the action head
    config.model.ghost_size = 0  # videos that share batch statistics; 0: all
    config.model.ghost_statistics = "mean"  # over groups; `first` as the reference
    config.model.dtype = "float32"  # of the backbone; or `bfloat16`, `float64`, `auto`
    config.model.remat = ""  # or `blocks`: computed again for the gradient
    config.init.folder = ""  # weights to start from; empty: random ones
    config.init.allow = ()  # patterns of paths that start fresh if they do not fit
    config.init.fresh = ()  # patterns of paths that always start fresh
    config.method.name = "baseline"  # a key of smad_jax.methods.METHODS
    config.method.aspects = ()  # aspects to be invariant to
    config.method.ramp = "constant"  # strength of adversaries; or `dann`: growing
    config.method.settings = ConfigDict()  # the method's own
    config.optimizer.name = "sgd"  # or `adamw`
    config.optimizer.learning_rate = 0.0
    config.optimizer.base_batch_size = 0  # the rate is for this many; 0: for any
    config.optimizer.schedule = "cosine"  # or `steps`
    config.optimizer.warmup_epochs = 0
    config.optimizer.warmup_share = 0.0  # of the run, in place of epochs; 0: by epochs
    config.optimizer.milestones = ()  # epochs at which `steps` divides the rate by ten
    config.optimizer.weight_decay = 0.0
    config.optimizer.momentum = 0.0
    config.optimizer.clip_norm = 0.0  # of the whole gradient; 0: no clipping
    config.training.epochs = 0
    config.training.num_clips = 0  # to train on in all, in place of epochs; 0: epochs
    config.training.max_steps = 0  # 0: all epochs
    config.training.accumulate = 1  # parts of a batch, to save memory
    config.training.model_axis = 1  # devices that share one copy of the parameters
    config.training.ema = 0.0  # decay of the average that is tested; 0: none
    config.training.log_every = 50  # steps
    config.training.save_every_epochs = 1
    config.training.watch_videos = 4  # actionness in TensorBoard at every checkpoint
    config.training.on_non_finite = "stop"  # or `skip` the step
    config.training.profile = ()  # first and last step of a trace for TensorBoard
    config.training.wandb = ""  # project on Weights & Biases; empty: none
    config.training.non_finite_limit = 0.05  # share of the steps that may be skipped
    config.evaluation.sets = ConfigDict()  # dataset/split by name
    config.evaluation.batch_size = 8  # videos
    config.evaluation.view_chunk = 32  # views predicted at a time
    config.evaluation.every_epochs = 0  # test during training too; 0: only at the end
    config.evaluation.during = ()  # on these sets; empty: on all
    return config


def _data() -> ConfigDict:
    data = ConfigDict()
    data.root = ""  # empty: $DATA_ROOT, else the folder `datasets`
    data.train = ""  # dataset/split
    data.target = ""  # unlabelled videos, for methods that adapt or need stills
    data.target_batch_size = 0  # 0: as many as of the training set
    data.embedded_seed = 0  # which draw of the embedded benchmark
    data.embedded_scale = 1.0  # share of its videos
    data.aspect_labels = "given"  # or `shuffled` among videos, a control
    data.groups = ""  # an aspect: groups of class and rarity, for some methods
    data.holdout = 0.0  # share of the training videos kept to fit on afterwards
    data.batch_size = 0  # videos
    data.max_videos = 0  # 0: all
    data.num_threads = 2  # of each stream
    data.num_workers = 0  # processes; 0: decode in this one
    data.cache_mib = 0  # decoded frames to keep in memory
    data.bad_video_limit = 0.05  # share of the videos that may be unreadable
    data.max_picture_pixels = 1 << 26  # of an image or a frame; larger are unreadable
    data.max_clip_pixels = 1 << 28  # of the frames of a video decoded together
    data.sampling = ConfigDict()
    data.sampling.test_rule = "mmaction2-0.x"  # or `mmaction2-1.x`
    data.sampling.input = "rgb"  # or `difference` or `rgb+difference`: motion
    data.transform = ConfigDict()
    data.web = ConfigDict()  # streams of joint training by name: `web_stream`
    data.web_every = 1  # training batches between two turns of the web streams
    data.masked = ConfigDict()  # clips without people, for SDN: `masked_stream`
    return data


def web_stream() -> ConfigDict:
    """Returns every key of a stream of web media."""
    stream = ConfigDict()
    stream.split = ""  # dataset/split
    stream.batch_size = 0
    stream.batches = 1  # in each of its turns
    stream.class_power = 1.0  # 0.5: OmniSource's balancing; 0: classes equal
    stream.num_frames = 0  # of a clip; 0: as in training, 1: an image as it is
    stream.aspect_labels = "given"  # where there are any; or `none`
    return stream


def masked_stream() -> ConfigDict:
    """Returns every key of the stream of clips without people, with SDN's values."""
    stream = ConfigDict()
    stream.boxes = ""  # file of boxes around people, .json or .npz; empty: none
    stream.without_boxes = "guess"  # or `leave_out` videos that the file lacks
    stream.turns = "alternate"  # or `joint`
    stream.batch_size = 0  # 0: as many as of the training set
    stream.min_score = 0.3  # of a box that is painted over
    stream.min_share = 0.7  # of a video's frames with a box, or it is left out
    return stream


def smoke(config: ConfigDict) -> ConfigDict:
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
    config.training.accumulate = min(config.training.accumulate, 2)
    config.training.max_steps = 2
    config.training.log_every = 1
    config.training.watch_videos = 0
    return config
