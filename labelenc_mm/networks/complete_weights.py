"""Backbones that take foreign weights under their own names, and never in part."""

from collections.abc import Mapping
from typing import Any

from mmengine.model import BaseModule
from torch import Tensor

from labelenc_mm.toolbox.safe_loading import CheckpointError


class CompleteWeights(BaseModule):
    """A backbone that knows the layout in which its pretrained weights are published.

    Weights in that layout are recognised and renamed when they are loaded, by whatever route:
    ``load_state_dict``, ``load_from``, ``init_cfg=dict(type='Pretrained', checkpoint=...)`` of this backbone
    or of a model around it. They must then be complete. So must any checkpoint of this backbone's own
    ``init_cfg``, which mmengine by itself would load in part.
    """

    _checkpoint: str | None = None

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says.

        Raises:
            CheckpointError: A pretrained checkpoint lacks weights of this backbone, or theirs have
                other shapes; lists them.
        """
        configs = [self.init_cfg] if isinstance(self.init_cfg, Mapping) else self.init_cfg or []
        files = [cfg['checkpoint'] for cfg in configs if 'checkpoint' in cfg]
        self._checkpoint = ', '.join(files) or None
        try:
            super().init_weights()
        finally:
            self._checkpoint = None

    def from_foreign(self, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Rename weights of the published layout; subclasses know how.

        Args:
            state: Weights, perhaps in that layout, perhaps of parts that were not built.

        Returns:
            Weights under our names, without those of parts that are not built; what belongs to no part
            keeps its name. None where they are in our own layout.
        """
        raise NotImplementedError

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        given = {key[len(prefix) :]: key for key in state_dict if key.startswith(prefix)}
        renamed = self.from_foreign({key: state_dict[full] for key, full in given.items()})
        if renamed is not None:
            # Taken out, so that what is not used does not count as unexpected.
            for full in given.values():
                del state_dict[full]
            state_dict.update({prefix + key: value for key, value in renamed.items()})
        if renamed is not None or self._checkpoint is not None:
            self._require_complete(state_dict, prefix, renamed or {})
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _require_complete(
        self, state_dict: Mapping[str, Tensor], prefix: str, renamed: Mapping[str, Tensor]
    ) -> None:
        expected = self.state_dict()
        problems = [f'{key} belongs to no part of it' for key in renamed if key not in expected]
        for key, own in expected.items():
            found = state_dict.get(prefix + key)
            if found is None:
                # Old files lack this counter, which only matters where norm layers have no momentum.
                if not key.endswith('num_batches_tracked'):
                    problems.append(f'{key} is missing')
            elif found.shape != own.shape:
                problems.append(f'{key} is {tuple(found.shape)}, not {tuple(own.shape)}')
        if problems:
            raise CheckpointError(
                f'{self._checkpoint or "The checkpoint"} does not fit this {type(self).__name__}: '
                f'{"; ".join(problems)}. Give the weights of the same architecture (depth, with or '
                'without batch normalisation, input channels), or no pretrained weights.'
            )
