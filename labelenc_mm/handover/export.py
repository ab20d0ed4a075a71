"""Export: from a training with this package to a checkpoint that the stock toolbox loads.

Which parts of a model are ours, and what a model computes, each toolbox tells once, with an
:class:`Exporter`.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import Registry
from torch import Tensor

import labelenc_mm
from labelenc_mm.engine.built_models import build_model, model_config
from labelenc_mm.files import replacing
from labelenc_mm.handover.comparison import ExportError, StockName, compare_models
from labelenc_mm.handover.declaration import not_exported
from labelenc_mm.handover.stock_config import config_without_ours, stock_model, stock_names
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

__all__ = ['ExportError', 'Exporter', 'select_stock_tensors']


@dataclass(frozen=True)
class Exporter:
    """How the trained models of a toolbox are exported.

    Attributes:
        noun: What is exported: 'detector'.
        file_name: Name of the file in the work dir of the training.
        scope: Of the toolbox.
        models: Its registry of models.
        hooks: Its registry of hooks.
        loops: Its registry of loops.
        subtree: Option of the model, and child, that is ours as a whole.
        run: All tensors that a model computes for a (channels, H, W) uint8 image.
    """

    noun: str
    file_name: str
    scope: str
    models: Registry
    hooks: Registry
    loops: Registry
    subtree: str
    run: Callable[[Any, Tensor], list[Tensor]]

    def stock_names(self, config: Config) -> StockName:
        """What a tensor of the trained model is called in the stock one, None for one that is ours."""
        return stock_names(config, self.models, self.subtree)

    def stock_config(self, config: Config) -> Config:
        """The stock model's config: a training's, without our options, hooks, loops and imports."""
        return config_without_ours(
            config,
            stock_model(config, self.models, self.subtree),
            self.models,
            self.hooks,
            self.loops,
        )

    def stock_state_dict(
        self, config: Config, state_dict: Mapping[str, Tensor]
    ) -> 'OrderedDict[str, Tensor]':
        """The stock model's part of a state dict, under its own names, on the CPU, versions included.

        Args:
            config: Config of the training; tells what is ours.
            state_dict: Weights of the trained model.
        """
        return select_stock_tensors(state_dict, self.stock_names(config))

    def build(self, config: Config) -> Any:
        """The model of a config, whatever it would be initialised from."""
        scope = config.get('default_scope') or self.scope
        return build_model(model_config(config), self.models, scope)

    def __call__(
        self,
        config: Config,
        state_dict: Mapping[str, Tensor],
        out: str,
        dataset_meta: Mapping[str, Any] | None = None,
        device: str | torch.device = 'cpu',
    ) -> str:
        """Write the stock model's checkpoint and prove that it is the trained model.

        The file holds plain tensors and plain types, so that ``torch.load(weights_only=True)`` takes it.
        Before it gets its name, it is read back, loaded with ``strict=True`` into the stock model, and
        weights and all that both models compute for two test images are compared bit by bit.

        Args:
            config: Config of the training.
            state_dict: Weights of the trained model (averaged ones under EMA).
            out: Path of the ``.pth`` file, replaced in one go.
            dataset_meta: Meta information of the data set (classes, palette).
            device: Where the two models are compared.

        Returns:
            ``out``.

        Raises:
            ExportError: The result would differ from the trained model, or there is none to export; ``out``
                is not touched.
        """
        trained = self.build(config)
        reason = not_exported(trained)
        if reason:
            raise ExportError(reason)
        stock = self.stock_config(config)
        checkpoint = {
            'meta': {
                'cfg': stock.pretty_text,
                'dataset_meta': _plain(dict(dataset_meta or {})),
                'labelenc_mm_version': labelenc_mm.__version__,
            },
            'state_dict': self.stock_state_dict(config, state_dict),
        }
        with replacing(out) as unfinished:
            # Given a name alone, torch would not tell that the disk is full.
            with unfinished.open('wb') as file:
                torch.save(checkpoint, file)
            exported = load_checkpoint_file(unfinished, written_here=True)['state_dict']
            compare_models(
                trained,
                state_dict,
                self.build(stock),
                exported,
                self.stock_names(config),
                self.run,
                device,
                config,
            )
        return out


def select_stock_tensors(
    state_dict: Mapping[str, Tensor], stock_name: StockName
) -> 'OrderedDict[str, Tensor]':
    """The stock model's part of a state dict, under its names, on the CPU, versions included."""
    stock: OrderedDict[str, Tensor] = OrderedDict()
    for key, value in state_dict.items():
        name = stock_name(key)
        if name is not None:
            stock[name] = value.detach().cpu().clone()
    metadata = getattr(state_dict, '_metadata', None)
    if metadata is not None:
        # Version numbers that some modules use to rename the keys of older checkpoints.
        versions: OrderedDict[str, Any] = OrderedDict()
        for key, value in metadata.items():
            # A module is called as its tensors are, without the dot.
            name = stock_name(f'{key}.') if key else ''
            if name is not None:
                versions[name.removesuffix('.')] = value
        stock._metadata = versions  # type: ignore[attr-defined]
    return stock


def _plain(value: Any) -> Any:
    """Nested plain Python values; NumPy's become lists and numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        items = [_plain(item) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if hasattr(value, 'tolist'):
        return value.tolist()
    return value
