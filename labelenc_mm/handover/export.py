"""From a training with labelenc_mm to a checkpoint of the stock toolbox: what both toolboxes share.

What is ours in a model, and what a model computes, is told by ``labelenc_mm.detection.export`` and
``labelenc_mm.segmentation.label_structure.export``.
"""

import copy
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODEL_WRAPPERS, Registry
from torch import Tensor, nn

import labelenc_mm
from labelenc_mm.engine.blank_image import image_sizes
from labelenc_mm.engine.built_models import entry_of, image_channels, is_ours, model_config
from labelenc_mm.files import replacing
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

# The name of a tensor in the stock model, None for one that is ours.
StockName = Callable[[str], str | None]
_SIZES = ((256, 256), (256, 320))  # (H, W) of the images on which models are compared


class ExportError(RuntimeError):
    """An export that would not be the trained model; nothing was written."""


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


def stock_model(config: Config, models: Registry, option: str) -> ConfigDict:
    """A copy of the model's config, of the stock class and without ``option``, which is ours."""
    model = model_config(config)
    model['type'] = getattr(entry_of(model, models), 'stock_type', model['type'])
    model.pop(option, None)
    return model


def config_without_ours(
    config: Config, model: dict, models: Registry, hooks: Registry, loops: Registry
) -> Config:
    """A training's config without hooks, loops, wrappers and imports of ours.

    Hooks that take the place of one of the toolbox give it back. A transform of ours stays in the
    training data, without the import: the config serves inference, which does not build them.

    Args:
        config: Config of the training.
        model: The stock model's config, which takes the place of the trained one's. If a part of it is
            ours (a backbone, a head), the import of this package stays.
        models: The toolbox's registry of models.
        hooks: Its registry of hooks.
        loops: Its registry of loops.
    """
    result = copy.deepcopy(config.to_dict())
    result['model'] = model
    hook_configs = result.get('default_hooks') or {}
    for name, hook in list(hook_configs.items()):
        if hook and is_ours(hook, hooks):
            stock_type = getattr(entry_of(hook, hooks), 'stock_type', None)
            if stock_type is None:
                del hook_configs[name]
            else:
                hook['type'] = stock_type
    if result.get('custom_hooks'):
        result['custom_hooks'] = [h for h in result['custom_hooks'] if not is_ours(h, hooks)]
    for key, default in (
        ('train_cfg', 'EpochBasedTrainLoop'),
        ('val_cfg', 'ValLoop'),
        ('test_cfg', 'TestLoop'),
    ):
        if result.get(key) and is_ours(result[key], loops):
            result[key]['type'] = default
    if result.get('model_wrapper_cfg') and is_ours(result['model_wrapper_cfg'], MODEL_WRAPPERS):
        del result['model_wrapper_cfg']
    imports = result.get('custom_imports')
    if imports and not _holds_ours(model, models):
        names = imports['imports']
        names = [names] if isinstance(names, str) else names
        imports['imports'] = [name for name in names if name.split('.')[0] != 'labelenc_mm']
        if not imports['imports']:
            del result['custom_imports']
    result.update(load_from=None, resume=False)
    result.pop('work_dir', None)
    return Config(_with_named_types(result))


def _with_named_types(config: Any) -> Any:
    """A config whose classes and functions are names, without which its text could not be read again."""
    if isinstance(config, Mapping):
        return {key: _with_named_types(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_with_named_types(value) for value in config)
    if isinstance(config, type | FunctionType):
        return f'{config.__module__}.{config.__qualname__}'
    return config


def _holds_ours(config: Any, models: Registry) -> bool:
    """Whether a config, or one inside it, builds a model of this package."""
    if isinstance(config, Mapping):
        if 'type' in config and is_ours(config, models):
            return True
        config = list(config.values())
    return isinstance(config, list | tuple) and any(_holds_ours(c, models) for c in config)


def write_export(
    out: str,
    stock: Config,
    stock_state: Mapping[str, Tensor],
    dataset_meta: Mapping[str, Any] | None,
    verify: Callable[[Mapping[str, Tensor]], None],
) -> str:
    """Write a stock checkpoint that ``torch.load(weights_only=True)`` takes, once it is proven.

    Args:
        out: Path of the ``.pth`` file, replaced in one go.
        stock: Config of the stock model.
        stock_state: Its weights.
        dataset_meta: Meta information of the data set (classes, palette).
        verify: Gets the weights as they are read back from the file, and raises if they are not right.

    Returns:
        ``out``.
    """
    checkpoint = {
        'meta': {
            'cfg': stock.pretty_text,
            'dataset_meta': _plain(dict(dataset_meta or {})),
            'labelenc_mm_version': labelenc_mm.__version__,
        },
        'state_dict': stock_state,
    }
    with replacing(out) as unfinished:
        # Given a name alone, torch would not tell that the disk is full.
        with unfinished.open('wb') as file:
            torch.save(checkpoint, file)
        verify(load_checkpoint_file(unfinished, written_here=True)['state_dict'])
    return out


def compare_models(
    trained_model: nn.Module,
    state_dict: Mapping[str, Tensor],
    stock: nn.Module,
    exported: Mapping[str, Tensor],
    stock_name: StockName,
    run: Callable[[Any, Tensor], list[Tensor]],
    device: str | torch.device,
    config: Config,
) -> None:
    """Compare the exported model with the trained one: weights, and what both compute for images.

    Args:
        trained_model: The trained model, built anew.
        state_dict: Its weights.
        stock: The stock model, built anew.
        exported: What was exported for it.
        stock_name: The name of a trained tensor in the stock model.
        run: All tensors that a model computes for a (channels, H, W) uint8 image.
        device: Where the two run.
        config: Of the training, which may tell the sizes of images that the model takes.

    Raises:
        ExportError: Something differs in a single bit.
    """
    try:
        stock.load_state_dict(exported, strict=True)
        trained_model.load_state_dict(state_dict, strict=True)
    except RuntimeError as error:
        raise ExportError(f'the weights do not fit the config: {error}') from error
    # Weights first: a model that has learned little predicts nothing, and nothing equals nothing.
    weights = stock.state_dict()
    for key, value in trained_model.state_dict().items():
        name = stock_name(key)
        if name is not None and not torch.equal(value, weights.pop(name)):
            raise ExportError(f'{name} differs from the trained model; nothing was written')
    if weights:
        raise ExportError(f'{", ".join(weights)} were not trained; nothing was written')
    generator = torch.Generator().manual_seed(0)
    channels = image_channels(stock)

    def outputs(size: tuple[int, int]) -> list[list[Tensor]]:
        image = torch.randint(0, 256, (channels, *size), dtype=torch.uint8, generator=generator)
        found = []
        for model in (trained_model, stock):
            torch.manual_seed(0)  # some models draw numbers also when they predict
            with _deterministic_convolutions():
                found.append(run(model.to(device).eval(), image))
        return found

    for index, size in enumerate(_SIZES):
        results = _first_that_works(outputs, [size, *image_sizes(stock, config)])
        if len(results[0]) != len(results[1]) or not all(map(torch.equal, *results)):
            raise ExportError(
                f'the stock {type(stock).__name__} does not predict the same as the trained '
                f'{type(trained_model).__name__} on test image {index}; nothing was written'
            )


def _first_that_works(run: Callable[[Any], Any], arguments: Sequence[Any]) -> Any:
    """What ``run`` returns for the first argument that it takes; if there is none, what the first raised."""
    failure: Exception | None = None
    for argument in arguments:
        try:
            return run(argument)
        except Exception as error:
            failure = failure or error
    assert failure is not None
    raise failure


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
