"""From a label-encoded training to the stock detector: same keys, same predictions, nothing of ours."""

import copy
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.registry import HOOKS, LOOPS, MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODEL_WRAPPERS, DefaultScope
from torch import Tensor

import labelenc_mm
from labelenc_mm.checkpoint import load_checkpoint_file

FILE_NAME = 'exported_detector.pth'
_SUBTREE = 'labelenc.'


class ExportError(RuntimeError):
    """An export that would not be the trained detector; nothing was written."""


def stock_state_dict(state_dict: Mapping[str, Tensor]) -> 'OrderedDict[str, Tensor]':
    """The stock detector's part of a label-encoded state dict, on the CPU, versions included."""
    stock: OrderedDict[str, Tensor] = OrderedDict(
        (key, value.detach().cpu().clone())
        for key, value in state_dict.items()
        if not key.startswith(_SUBTREE)
    )
    metadata = getattr(state_dict, '_metadata', None)
    if metadata is not None:
        # Version numbers that some modules use to rename the keys of older checkpoints.
        stock._metadata = OrderedDict(  # type: ignore[attr-defined]
            (key, value) for key, value in metadata.items() if not f'{key}.'.startswith(_SUBTREE)
        )
    return stock


def stock_config(config: Config) -> Config:
    """The config of the stock detector: ours without our model options, hooks, loops and imports."""
    result = copy.deepcopy(config.to_dict())
    model = result['model']
    entry = MODELS.get(model['type']) if isinstance(model['type'], str) else model['type']
    model['type'] = getattr(entry, 'stock_type', model['type'])
    model.pop('labelenc', None)

    hooks = result.get('default_hooks') or {}
    for name in [key for key, hook in hooks.items() if hook and _is_ours(hook, HOOKS)]:
        del hooks[name]
    if result.get('custom_hooks'):
        result['custom_hooks'] = [h for h in result['custom_hooks'] if not _is_ours(h, HOOKS)]
    for key, default in (
        ('train_cfg', 'EpochBasedTrainLoop'),
        ('val_cfg', 'ValLoop'),
        ('test_cfg', 'TestLoop'),
    ):
        if result.get(key) and _is_ours(result[key], LOOPS):
            result[key]['type'] = default
    if result.get('model_wrapper_cfg') and _is_ours(result['model_wrapper_cfg'], MODEL_WRAPPERS):
        del result['model_wrapper_cfg']
    imports = result.get('custom_imports')
    if imports:
        names = imports['imports']
        names = [names] if isinstance(names, str) else names
        imports['imports'] = [name for name in names if name.split('.')[0] != 'labelenc_mm']
        if not imports['imports']:
            del result['custom_imports']
    result.update(load_from=None, resume=False)
    result.pop('work_dir', None)
    return Config(result)


def export_detector(
    config: Config,
    state_dict: Mapping[str, Tensor],
    out: str,
    dataset_meta: Mapping[str, Any] | None = None,
    device: str | torch.device = 'cpu',
) -> str:
    """Write the stock detector's checkpoint and prove that it is the trained detector.

    The file holds plain tensors and plain types, so that ``torch.load(weights_only=True)`` takes it.
    Before it gets its name, it is read back, loaded with ``strict=True`` into the stock detector, and
    weights, features and predictions on two test images are compared bit by bit with the trained
    model's.

    Args:
        config: Config of the training.
        state_dict: Weights of the label-encoded detector (averaged ones under EMA).
        out: Path of the ``.pth`` file.
        dataset_meta: Meta information of the data set (classes, palette).
        device: Where the two detectors are compared.

    Returns:
        ``out``.

    Raises:
        ExportError: If the result would differ from the trained detector; ``out`` is not touched.
    """
    stock = stock_config(config)
    checkpoint = {
        'meta': {
            'cfg': stock.pretty_text,
            'dataset_meta': _plain(dict(dataset_meta or {})),
            'labelenc_mm_version': labelenc_mm.__version__,
        },
        'state_dict': stock_state_dict(state_dict),
    }
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    temporary = f'{out}.{os.getpid()}.tmp'
    try:
        torch.save(checkpoint, temporary)
        _verify(config, state_dict, stock, load_checkpoint_file(temporary)['state_dict'], device)
        os.replace(temporary, out)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    return out


def _verify(
    config: Config,
    state_dict: Mapping[str, Tensor],
    stock: Config,
    exported: Mapping[str, Tensor],
    device: str | torch.device,
) -> None:
    """Compare the exported detector with the trained one on the same images."""
    trained_model, stock_model = _build(config), _build(stock)
    try:
        stock_model.load_state_dict(exported, strict=True)
        trained_model.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        raise ExportError(f'the weights do not fit the config: {error}') from error
    # Weights first: a detector that has learned little predicts nothing, and nothing equals nothing.
    trained_weights = trained_model.state_dict()
    for key, value in stock_model.state_dict().items():
        if not torch.equal(value, trained_weights[key]):
            raise ExportError(f'{key} differs from the trained detector; nothing was written')
    generator = torch.Generator().manual_seed(0)
    for index, size in enumerate(((256, 256), (256, 320))):
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
        with _deterministic_convolutions():
            results = [_run(m.to(device).eval(), image) for m in (trained_model, stock_model)]
        if len(results[0]) != len(results[1]) or not all(map(torch.equal, *results)):
            raise ExportError(
                f'the stock {type(stock_model).__name__} does not predict the same as the trained '
                f'{type(trained_model).__name__} on test image {index}; nothing was written'
            )


@contextmanager
def _deterministic_convolutions() -> Iterator[None]:
    """On a GPU the same convolution may otherwise take another algorithm the second time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


@torch.no_grad()
def _run(model: Any, image: Tensor) -> list[Tensor]:
    """All tensors that a detector computes for an image: features and predictions."""
    height, width = image.shape[-2:]
    sample = DetDataSample(
        metainfo=dict(
            img_id=0,
            img_path='test image',
            ori_shape=(height, width),
            img_shape=(height, width),
            scale_factor=(1.0, 1.0),
        )
    )
    data = model.data_preprocessor({'inputs': [image], 'data_samples': [sample]}, False)
    features = [*model.extract_feat(data['inputs'])]
    output = model(**data, mode='predict')[0]
    predictions = [output.get(key) for key in sorted(output.keys()) if key.startswith('pred_')]
    values = [value for prediction in predictions for value in prediction.values()]
    return features + [value for value in values if isinstance(value, Tensor)]


def _build(config: Config) -> Any:
    model = copy.deepcopy(config.model)
    if model.get('labelenc'):
        model.labelenc.pop('init_from', None)
    with DefaultScope.overwrite_default_scope(config.get('default_scope', 'mmdet')):
        # As the Runner does outside a distributed run, where both will be used.
        return revert_sync_batchnorm(MODELS.build(model))


def _is_ours(config: Any, registry: Any) -> bool:
    """Whether a config builds something of this package."""
    kind = config.get('type')
    entry = registry.get(kind) if isinstance(kind, str) else kind
    return getattr(entry, '__module__', '').split('.')[0] == 'labelenc_mm'


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


def log_export(path: str) -> None:
    """Say where the exported detector lies."""
    print_log(
        f'Exported stock detector (no part of labelenc_mm needed to use it): {path}', 'current'
    )
