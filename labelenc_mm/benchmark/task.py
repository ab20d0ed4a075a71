"""A task of the benchmark, one a toolbox: the stock model, how ours is built, what a batch is."""

from abc import ABC, abstractmethod
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from labelenc_mm.benchmark.workload import Workload
from labelenc_mm.engine.built_models import build_model, model_config
from labelenc_mm.handover.frozen_part import named_frozen_parts, without_files


class Task(ABC):
    """Detection or segmentation; one of its models is stock, or has supervision of ours."""

    scope: str
    """Import name of the toolbox, which is its scope in configs."""

    models: Registry
    """The toolbox's models."""

    image_size: tuple[int, int]
    """(H, W) to measure at unless told otherwise."""

    batch_size: int
    """Images to measure with unless told otherwise."""

    def build(self, config: Config, workload: Workload) -> Any:
        """A model of a config with random weights, ours as if they had been learned, on the CPU."""
        options = without_files(model_config(config))
        self.set_image_size(options, workload.size)
        model = build_model(options, self.models, self.scope)
        model.init_weights()
        for _, part in named_frozen_parts(model):
            part.mark_learned()
        return model

    @abstractmethod
    def set_image_size(self, model: ConfigDict, size: tuple[int, int]) -> None:
        """Change in a model's config what would give its images another size (H, W)."""

    @abstractmethod
    def stock_config(self, config: Config) -> Config:
        """The config of the stock model.

        Raises:
            ValueError: If nothing in the config is ours.
        """

    @abstractmethod
    def plain_config(self, config: Config) -> Config:
        """A copy of the config that computes ours in the plain form.

        Raises:
            ValueError: If it has none.
        """

    @abstractmethod
    def title(self, stock: Config) -> str:
        """What a stock model is called in a table."""

    def first_row(self, stock: Config) -> str:
        """What the row is called that others are compared with."""
        return f'stock {self.title(stock)}'

    @abstractmethod
    def make_batch(self, workload: Workload, model: Any) -> dict[str, list]:
        """A batch as a data loader gives it, on the CPU."""

    def count_active(self, model: Any) -> int:
        """How many losses of ours count at the iteration that the MessageHub tells; 0 is too few."""
        return 1

    def further_costs(self, step: Any) -> dict[str, float]:
        """What else is to be told of the iteration of a model of this task, by column of the report."""
        return {}
