"""What a config asks for, whole: parsed, checked, or read from a finished run."""

import dataclasses
import pathlib
from typing import Self

import ml_collections

from smad_jax import errors, models
from smad_jax.base import file_io, sections
from smad_jax.experiment import checks, keys


@dataclasses.dataclass(frozen=True)
class Settings:
    """A whole config."""

    data: keys.Data
    model: keys.Model
    training: keys.Training
    recipe: str = "paper"  # for the record: its numbers are in the sections
    seed: int = 0
    init: keys.Init = dataclasses.field(default_factory=keys.Init)
    method: keys.Method = dataclasses.field(default_factory=keys.Method)
    optimizer: keys.Optimizer = dataclasses.field(default_factory=keys.Optimizer)
    evaluation: keys.Evaluation = dataclasses.field(default_factory=keys.Evaluation)

    @classmethod
    def read(cls, config: ml_collections.ConfigDict) -> Self:
        """Returns the settings of a run to be started.

        Raises:
            ConfigError: naming the key that is wrong, or keys that contradict.
        """
        settings = cls.parse(config.to_dict())
        models.find(settings.model.name)
        data, method = settings.data, settings.method
        checks.check(
            data,
            method,
            ghost_size=settings.model.ghost_size,
            accumulate=settings.training.accumulate,
        )
        checks.check_validation(settings.evaluation, settings.training, method)
        return settings

    @classmethod
    def parse(cls, config: sections.Section) -> Self:
        """Returns the settings with each key checked by itself.

        For finished runs and imported weights: whether method and data go together is
        checked when a run starts.

        Raises:
            ConfigError: naming the key that is wrong.
        """
        return sections.read(cls, "", config)

    @classmethod
    def of_run(cls, folder: pathlib.Path, *, finished: bool = True) -> Self:
        """Returns the settings of the run in `folder`, which is to be `finished`.

        Raises:
            DataError: if there is no such run, or its config is damaged.
        """
        # results.json is written last: without it, a run has not finished.
        for name in ["config.json", *["results.json"] * finished]:
            if not (folder / name).exists():
                begun = (folder / "config.json").exists()
                start = f"python main.py --config configs/NAME.py --workdir {folder}"
                raise errors.DataError(
                    f"no {'finished ' * finished}run in {folder} (it has no {name}); "
                    + ("repeat its command to resume it" if begun else start)
                )
        path = folder / "config.json"
        try:
            return cls.parse(file_io.read_json(path, "copy the run again"))
        except errors.ConfigError as error:
            raise errors.DataError(f"{path} is damaged: {error}") from error

    def with_data(self, root: pathlib.Path, *, test_views: int = 0) -> Self:
        """Returns the settings for data sets in `root`, and so many views if not 0."""
        # A stored root is a folder of the machine that trained.
        views = test_views or self.data.sampling.test_views
        frames = dataclasses.replace(self.data.sampling, test_views=views)
        data = dataclasses.replace(self.data, root=str(root), sampling=frames)
        return dataclasses.replace(self, data=data)

    def for_videos(self, count: int) -> Self:
        """Returns the settings with epochs in place of what is relative to the data.

        Args:
            count: Number of training videos.
        """
        training, section = self.training, self.optimizer
        epochs, warmup = training.epochs, section.warmup_epochs
        if training.num_clips:
            epochs = max(1, round(training.num_clips / max(1, count)))
        if section.warmup_share:
            # At least an epoch: a rate that starts at its peak can undo the first one.
            warmup = max(1, round(section.warmup_share * epochs))
        return dataclasses.replace(
            self,
            training=dataclasses.replace(training, epochs=epochs),
            optimizer=dataclasses.replace(section, warmup_epochs=warmup),
        )
