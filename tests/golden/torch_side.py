"""What PyTorch computes, for `make_torch.py` and the live comparisons.

Every function returns {name: array} for one case of `CASES`. Arrays of networks
come out under our paths and in our layout, so that they compare one to one.
"""

import collections
import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.golden import draws, settings
from tests.helpers import torch_models

Arrays = dict[str, np.ndarray]


def arrays(module: nn.Module, root: str) -> Arrays:
    """A module's parameters and statistics under our paths, in our layout."""
    return {
        path: torch_models.from_torch(tensor)
        for path, tensor in torch_models.our_arrays(module, root)
    }


def tensor(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(draws.normal(name, shape))


def logits(name: str) -> Arrays:
    """Logits of a whole network with SAAR, in evaluation."""
    model, _, shortcut = name.partition(" ")
    backbone = torch_models.BACKBONES[model](shortcut=shortcut or "B")
    module = torch_models.Recognizer(
        backbone, settings.NUM_CLASSES, settings.SAAR_WIDTH
    )
    module = module.double().eval()
    torch_models.load(module, draws.weights)
    with torch.no_grad():
        return {
            "logits": module(
                torch_models.to_video(draws.normal("logits", settings.ODD))
            ).numpy()
        }


class ReverseGradient(torch.autograd.Function):
    """The identity whose gradient changes its sign, and its size by `strength`."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, strength: float) -> torch.Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, *gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return -ctx.strength * gradient[0], None


class Heads(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                aspect: nn.ModuleDict({"fc": nn.Linear(width, size)})
                for aspect, (_, size) in settings.ASPECTS.items()
            }
        )

    def forward(
        self, aspect: str, features: torch.Tensor, strength: float
    ) -> torch.Tensor:
        head = self.heads[aspect]
        assert isinstance(head, nn.ModuleDict)
        return head["fc"](ReverseGradient.apply(features, strength))


def training(name: str) -> Arrays:
    """Three steps of SMAD: losses and gradient norms on the way, the arrays after."""
    backbone, saar_width = _backbone(settings.TRAINED[name])
    module = torch_models.Recognizer(backbone, settings.NUM_CLASSES, saar_width)
    heads = Heads(module.backbone.width)
    trained = settings.TRAINED[name]

    def terms(step: int) -> Iterator[dict[str, torch.Tensor]]:
        yield _losses(trained, module, heads, settings.batch(step), step)

    return _three_steps(module, heads, terms)


def _three_steps(
    module: torch_models.Recognizer,
    heads: nn.Module,
    terms_of: Callable[[int], Iterator[dict[str, torch.Tensor]]],
) -> Arrays:
    """Descends the terms of each update: losses and norms, and the arrays after.

    The terms of an update are computed after the one before it.
    """
    for part, root in ((module, "model"), (heads, "method")):
        part.double().train()
        torch_models.load(part, draws.weights, root)
    parameters = [*module.parameters(), *heads.parameters()]
    sgd = torch.optim.SGD(parameters, momentum=0.9, weight_decay=1e-4)
    rates = cosine(settings.TRAINING_SCHEDULE)["rate"]  # by PyTorch's own schedulers
    found = {}
    for step in range(settings.STEPS):
        sgd.param_groups[0]["lr"] = float(rates[step])
        for place, terms in enumerate(terms_of(step)):
            # zeros, not None: parameters without use in an update decay all the same
            sgd.zero_grad(set_to_none=False)
            torch.stack(list(terms.values())).sum().backward()
            norm = nn.utils.clip_grad_norm_(parameters, settings.CLIP_NORM)
            sgd.step()
            name = settings.update_name(step, place)
            found |= {f"{name}/loss/{t}": loss.detach() for t, loss in terms.items()}
            found |= {f"{name}/gradient_norm": norm}
            found |= {f"{name}/learning_rate": rates[step]}
    found = {key: np.asarray(value) for key, value in found.items()}
    return found | arrays(module, "model") | arrays(heads, "method")


def _backbone(trained: settings.Trained) -> tuple[torch_models.Backbone, int]:
    if trained.network in torch_models.SMALL_BACKBONES:
        small = torch_models.SMALL_BACKBONES[trained.network]
        return small(shortcut=trained.shortcut), settings.SMALL_SAAR_WIDTH
    whole = torch_models.BACKBONES[trained.network]
    return whole(shortcut=trained.shortcut), settings.SAAR_WIDTH


def _losses(
    trained: settings.Trained,
    module: torch_models.Recognizer,
    heads: Heads,
    batch: settings.Batch,
    step: int,
) -> dict[str, torch.Tensor]:
    features = module.features(torch_models.to_video(batch["video"]))
    label = torch.from_numpy(batch["label"]).long()
    terms = {"action": functional.cross_entropy(module.head(features), label)}
    share, strength = len(settings.ASPECTS), 1.0
    if trained.ramp_steps:
        strength = 2 / (1 + math.exp(-10 * step / trained.ramp_steps)) - 1
    for aspect, (kind, _) in settings.ASPECTS.items():
        mask = torch.from_numpy(batch["aspect_mask"][aspect])
        labels = torch.from_numpy(batch["aspects"][aspect])[mask]
        logits = heads(aspect, features, strength)[mask]
        if kind == "tags":
            loss = 5 * functional.binary_cross_entropy_with_logits(logits, labels)
        else:
            soft_ce = functional.cross_entropy(logits, labels)
            kl = functional.kl_div(
                logits.log_softmax(dim=1), labels, reduction="batchmean"
            )
            if trained.kl_reduction == "mean":
                kl = kl / labels.shape[1]
            loss = 0.5 * soft_ce + 0.5 * kl
        terms[aspect] = loss / share
    return terms


def joint() -> Arrays:
    """Target and web batches, each an update, at the rate of the target's step."""
    module = torch_models.Recognizer(
        torch_models.SMALL_BACKBONES["slowonly"](),
        settings.NUM_CLASSES,
        settings.SMALL_SAAR_WIDTH,
    )
    module.double().train()
    torch_models.load(module, draws.weights, "model")
    sgd = torch.optim.SGD(module.parameters(), momentum=0.9, weight_decay=1e-2)
    rates = cosine(settings.JOINT_SCHEDULE)["rate"]
    counts = collections.Counter()
    losses = []
    for step in range(settings.JOINT_STEPS):
        streams = ["train"]
        if step % settings.JOINT_EVERY == 0:
            for name, batches in settings.JOINT_WEB.items():
                streams += [name] * batches
        for stream in streams:
            video, label = settings.joint_batch(stream, counts[stream])
            counts[stream] += 1
            sgd.param_groups[0]["lr"] = float(rates[step])
            loss = functional.cross_entropy(
                module(torch_models.to_video(video)), torch.from_numpy(label).long()
            )
            sgd.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), settings.JOINT_CLIP_NORM)
            sgd.step()
            losses.append(loss.item())
    return {"losses": np.array(losses)} | arrays(module, "model")


class HiddenHead(nn.Module):
    """Linear, batch norm and ReLU a hidden layer, then a linear one."""

    def __init__(self, width: int, hidden: tuple[int, ...], size: int) -> None:
        super().__init__()
        layers = []
        for out in hidden:
            layer = {"fc": nn.Linear(width, out), "bn": nn.BatchNorm1d(out)}
            layers.append(nn.ModuleDict(layer))
            width = out
        self.hidden = nn.ModuleList(layers)
        self.fc = nn.Linear(width, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            features = torch.relu(layer["bn"](layer["fc"](features)))
        return self.fc(features)


class Discriminator(nn.Module):
    """One logit for the source."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.discriminator = HiddenHead(width, settings.DISCRIMINATOR, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.discriminator(features)[:, 0]

    def loss(
        self, source: torch.Tensor, target: torch.Tensor, step: int
    ) -> torch.Tensor:
        """Half the cross-entropy of either domain; backwards, Ganin's ramp."""
        strength = 2 / (1 + np.exp(-10 * step / settings.STEPS)) - 1
        both = torch.cat([source, target])
        logits = self((1 + strength) * both.detach() - strength * both)
        called_source = torch.sigmoid(logits)
        first = called_source[: len(source)].log().mean()
        second = (1 - called_source[len(source) :]).log().mean()
        return -0.5 * (first + second)


def mmd(source: torch.Tensor, target: torch.Tensor, step: int) -> torch.Tensor:
    """Means of five Gaussians over the pairs of each block."""
    del step
    both = torch.cat([source, target]).detach()
    different = ~torch.eye(len(both), dtype=torch.bool)
    mean = (both[:, None] - both).pow(2).sum(2)[different].mean()

    def kernel(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        distance = (a[:, None] - b).pow(2).sum(2)
        widths = [mean / 4 * 2**i for i in range(5)]
        return torch.stack([torch.exp(-distance / width) for width in widths]).sum(0)

    within = kernel(source, source).mean() + kernel(target, target).mean()
    return within - 2 * kernel(source, target).mean()


def adapting(method: str) -> Arrays:
    """Three steps of a small SlowOnly that sees unlabelled videos too."""
    backbone, saar_width = _backbone(settings.TRAINED["slowonly"])
    module = torch_models.Recognizer(backbone, settings.NUM_CLASSES, saar_width)
    discriminator = Discriminator(module.backbone.width)
    heads = discriminator if method == "dann" else nn.Module()
    distance = discriminator.loss if method == "dann" else mmd

    def terms(step: int) -> Iterator[dict[str, torch.Tensor]]:
        batch = settings.batch(step)
        video = np.concatenate([batch["video"], settings.target_video(step)])
        features = module.features(torch_models.to_video(video))
        source, target = features.split([settings.VIDEO[0], settings.TARGET_VIDEO[0]])
        label = torch.from_numpy(batch["label"]).long()
        name = "domain" if method == "dann" else "mmd"
        yield {
            "action": functional.cross_entropy(module.head(source), label),
            name: settings.DOMAIN_WEIGHT * distance(source, target, step),
        }

    return _three_steps(module, heads, terms)


def sdn() -> Arrays:
    """A small SlowOnly with SDN: whole clips and those without people by turns."""
    backbone, saar_width = _backbone(settings.TRAINED["slowonly"])
    module = torch_models.Recognizer(backbone, settings.NUM_CLASSES, saar_width)
    heads = nn.Module()
    heads.scene_head = HiddenHead(
        module.backbone.width, settings.SCENE_HIDDEN, settings.ASPECTS["scene"][1]
    )

    def terms(step: int) -> Iterator[dict[str, torch.Tensor]]:
        batch = settings.batch(step)
        features = module.features(torch_models.to_video(batch["video"]))
        label = torch.from_numpy(batch["label"]).long()
        scene = torch.from_numpy(batch["aspects"]["scene"])
        logits = heads.scene_head(ReverseGradient.apply(features, settings.REVERSAL))
        yield {
            "action": functional.cross_entropy(module.head(features), label),
            "scene": functional.cross_entropy(logits, scene),
        }
        logits = module(torch_models.to_video(settings.masked_video(step)))
        probabilities = logits.softmax(dim=1)
        negative_entropy = (probabilities * probabilities.log()).sum(dim=1).mean()
        yield {"confusion": settings.CONFUSION_WEIGHT * negative_entropy}

    return _three_steps(module, heads, terms)


def losses() -> Arrays:
    """Each loss and its gradient by the logits, a mean over the batch."""
    label = torch.from_numpy(settings.LABEL)
    soft = torch.from_numpy(settings.SOFT_LABEL)
    tags = torch.from_numpy(settings.TAGS)
    mask = torch.from_numpy(settings.MASK)

    def kl(reduction: str) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: functional.kl_div(x.log_softmax(1), soft, reduction=reduction)

    functions = {
        "cross_entropy": lambda x: functional.cross_entropy(x, label),
        "soft_cross_entropy": lambda x: functional.cross_entropy(x, soft),
        "kl batchmean": kl("batchmean"),
        # reduction "mean" by hand: PyTorch warns of a coming change of its meaning
        "kl mean": lambda x: kl("none")(x).mean(),
        "tags": lambda x: functional.binary_cross_entropy_with_logits(x, tags),
        "masked tags": lambda x: functional.binary_cross_entropy_with_logits(
            x[mask], tags[mask]
        ),
    }
    return {
        f"{name} {part}": value
        for name, function in functions.items()
        for part, value in _value_and_gradients(
            function, torch.from_numpy(settings.LOGITS)
        ).items()
    }


def _value_and_gradients(
    function: Callable[..., torch.Tensor], *inputs: torch.Tensor
) -> Arrays:
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    gradients = torch.autograd.grad(value, leaves)
    named = {f"gradient {i}": g.numpy() for i, g in enumerate(gradients)}
    return {"value": value.detach().numpy()} | named


def gradient_reversal() -> Arrays:
    """A head's loss behind the reversal: gradients of features and of the head."""

    def loss(features: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return torch.tanh(ReverseGradient.apply(features, 1.0) @ kernel).sum()

    return _value_and_gradients(loss, tensor("features", 4, 7), tensor("head", 7, 3))


def saar() -> Arrays:
    """Eq. 5 with the softmax over a frame, value and both gradients."""

    def weighed(feature_map: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        height, width = score.shape[-2:]
        share = torch.softmax(score.flatten(2), dim=2).view_as(score)
        y = feature_map * (height * width * share)[..., None]
        return torch.sin(y).sum()

    shape = (2, 3, 5, 7)
    return _value_and_gradients(
        weighed, tensor("map", *shape, 4), 2 * tensor("score", *shape)
    )


def clip() -> Arrays:
    """Gradients of several norms, clipped at 40."""
    found = {}
    for norm in settings.NORMS:
        leaves = [nn.Parameter(torch.zeros(shape)) for shape in settings.CLIPPED]
        for leaf, gradient in zip(leaves, settings.gradients(norm), strict=True):
            leaf.data = leaf.data.double()
            leaf.grad = torch.from_numpy(gradient)
        nn.utils.clip_grad_norm_(leaves, 40.0)
        found[f"{norm}"] = np.concatenate(
            [leaf.grad.numpy().ravel() for leaf in leaves]
        )
    return found


def cosine(schedule: settings.Schedule) -> Arrays:
    """The reference's product of a cosine by epochs and a ramp by iterations."""
    base, epochs, warmup_epochs, per_epoch = schedule

    def optimizer(learning_rate: float) -> torch.optim.Optimizer:
        return torch.optim.SGD([nn.Parameter(torch.zeros(()))], learning_rate)

    by_epoch, by_step = optimizer(base), optimizer(1.0)
    half_cosine = torch.optim.lr_scheduler.CosineAnnealingLR(by_epoch, epochs)
    ramp = torch.optim.lr_scheduler.LinearLR(
        by_step, start_factor=0.1, total_iters=warmup_epochs * per_epoch
    )
    rates = []
    for _ in range(epochs):
        for _ in range(per_epoch):
            rates.append(half_cosine.get_last_lr()[0] * ramp.get_last_lr()[0])
            by_step.step()
            ramp.step()
        by_epoch.step()
        half_cosine.step()
    return {"rate": np.array(rates)}


def steps() -> Arrays:
    """TSN's rates: a tenth after epochs 40 and 80 of 100."""
    by_epoch = torch.optim.SGD([nn.Parameter(torch.zeros(()))], 0.01)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(by_epoch, [40, 80])
    rates = []
    for _ in range(100):
        rates += [scheduler.get_last_lr()[0]] * settings.STEPS_PER_EPOCH
        by_epoch.step()
        scheduler.step()
    return {"rate": np.array(rates)}


def ghost_norm() -> Arrays:
    """Eight replicas of 16 videos, each with its own batch norm, as under DDP."""
    x = tensor("ghost", *settings.GHOST).requires_grad_()
    direction = tensor("ghost direction", *settings.GHOST)
    width = settings.GHOST[-1]
    norms = [nn.BatchNorm3d(width).double().train() for _ in range(8)]
    for norm in norms:
        torch_models.load(norm, draws.weights)
    outputs = [
        norm(part.movedim(-1, 1)).movedim(1, -1)
        for norm, part in zip(norms, x.chunk(8), strict=True)
    ]
    y = torch.cat(outputs)
    (y * direction).sum().backward()
    # what DDP's mean over replicas becomes for a loss that is a mean over the batch
    scale = torch.stack([norm.weight.grad for norm in norms]).sum(0)
    bias = torch.stack([norm.bias.grad for norm in norms]).sum(0)
    found = {"y": y.detach(), "x": x.grad, "scale": scale, "bias": bias}
    for name in ("mean", "var"):
        values = torch.stack([getattr(norm, f"running_{name}") for norm in norms])
        found |= {f"first {name}": values[0], f"mean {name}": values.mean(0)}
    return {name: value.numpy() for name, value in found.items()}


CASES: dict[str, Callable[[], Arrays]] = {
    **{f"logits {name}": functools.partial(logits, name) for name in settings.NETWORKS},
    **{
        f"training {name}": functools.partial(training, name)
        for name in settings.TRAINED
    },
    "joint training": joint,
    **{name: functools.partial(adapting, name) for name in settings.ADAPTING},
    "sdn": sdn,
    "losses": losses,
    "gradient reversal": gradient_reversal,
    "saar": saar,
    "clip": clip,
    "cosine": functools.partial(cosine, settings.SLOWONLY_SCHEDULE),
    "steps": steps,
    "ghost norm": ghost_norm,
}


@functools.cache
def compute(case: str) -> Arrays:
    """Returns the arrays of one of `CASES`."""
    return CASES[case]()
