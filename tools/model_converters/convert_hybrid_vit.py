"""Convert the published ImageNet-21k weights of R50+ViT-B/16 into those of the backbone HybridViT.

Input is the R50+ViT-B_16.npz that the authors of the vision transformer released
(google-research/vision_transformer, ImageNet-21k), or one of its layout and of other widths. Output is a
.pth of plain tensors, and on standard output the backbone that loads it. No array may be unknown, missing
or of another shape before anything is written; what belongs to the classifier is named and left out, as is
the class token with its position: like TransUNet, a segmentor has none.
"""

import argparse
import inspect
import math
import re
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from labelenc_mm.errors import LabelEncMMError
from labelenc_mm.files import replacing
from labelenc_mm.networks import HybridViT
from labelenc_mm.networks.hybrid_vit import STRIDE

_ENCODER = 'Transformer'
_POSITIONS = f'{_ENCODER}/posembed_input/pos_embedding'
_LAYER = f'{_ENCODER}/encoderblock_'
_ATTENTION = 'MultiHeadDotProductAttention_1'
# Parts of a layer here and there; names outside the layers differ by their separators alone.
_PARTS = {
    'norm1': 'LayerNorm_0',
    'self_attn': _ATTENTION,
    'norm2': 'LayerNorm_2',
    'linear1': 'MlpBlock_3/Dense_0',
    'linear2': 'MlpBlock_3/Dense_1',
}
_UNUSED = ('cls', 'head/kernel', 'head/bias', 'pre_logits/kernel', 'pre_logits/bias')


class LayoutError(LabelEncMMError, ValueError):
    """A file that is not of the published layout; lists the differences."""


class Arrays:
    """The arrays of a file, and what was found amiss with them.

    Attributes:
        differences: Arrays that are missing or of another shape.
        left: Names of those that nobody took.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.differences: list[str] = []
        self.left = list(arrays)
        self._arrays = arrays

    def take(self, name: str, *shape: int) -> Tensor:
        """An array of this shape; zeros where there is none, which makes a difference."""
        if name not in self._arrays:
            self.differences.append(f'{name}: missing')
            return torch.zeros(shape)
        self.left.remove(name)
        array = self._arrays[name]
        # Some files have the parameters of group normalisation as (1, 1, 1, C).
        if array.shape not in (shape, (1, 1, 1, *shape)) or array.dtype.kind != 'f':
            found = f'{array.dtype} {array.shape}'
            self.differences.append(f'{name}: {found}, expected float {shape}')
            return torch.zeros(shape)
        return torch.from_numpy(array.astype(np.float32)).reshape(shape)


def convert(
    arrays: Mapping[str, np.ndarray],
) -> tuple[dict[str, Any], dict[str, Tensor], list[str]]:
    """Rename and rearrange the arrays of a published file.

    Args:
        arrays: Of the file, by name.

    Returns:
        Options of the HybridViT that they are of, as far as they are no defaults; its state dict; and the
        names of what was not used.

    Raises:
        LayoutError: Arrays are missing, unknown or of another shape, listing all of them.
    """
    options = architecture(arrays)
    try:
        with torch.device('meta'):
            model = HybridViT(**options)
    except ValueError as error:
        raise LayoutError(f'no HybridViT has these widths: {error}') from error
    found = Arrays(arrays)
    state = {'positions': _positions(found, *model.positions.shape[1:])}
    for name, module in model.named_modules():
        theirs = _published_name(name)
        if isinstance(module, nn.MultiheadAttention):
            tensors = _attention(found, theirs, module.num_heads, module.head_dim)
        elif isinstance(module, nn.Conv2d):
            out_channels, in_channels, height, width = module.weight.shape
            kernel = found.take(f'{theirs}/kernel', height, width, in_channels, out_channels)
            tensors = {'weight': kernel.permute(3, 2, 0, 1)}
            if module.bias is not None:
                tensors['bias'] = found.take(f'{theirs}/bias', out_channels)
        elif isinstance(module, nn.GroupNorm | nn.LayerNorm):
            channels = len(module.weight)
            tensors = {
                'weight': found.take(f'{theirs}/scale', channels),
                'bias': found.take(f'{theirs}/bias', channels),
            }
        elif isinstance(module, nn.Linear) and not name.endswith('.out_proj'):
            out_channels, in_channels = module.weight.shape
            tensors = {
                'weight': found.take(f'{theirs}/kernel', in_channels, out_channels).T,
                'bias': found.take(f'{theirs}/bias', out_channels),
            }
        else:
            continue
        state.update({f'{name}.{kind}': tensor.contiguous() for kind, tensor in tensors.items()})
    unused = [name for name in found.left if name in _UNUSED]
    unknown = [f'{name}: unknown' for name in found.left if name not in _UNUSED]
    if found.differences or unknown:
        raise LayoutError(
            'the arrays differ from those of a published R50+ViT-B/16 of these widths:\n  '
            + '\n  '.join(found.differences + unknown)
        )
    return options, state, unused


def architecture(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the arrays say of the options of HybridViT, as far as they are no defaults.

    Raises:
        LayoutError: They are of no hybrid network.
    """
    query = f'{_LAYER}0/{_ATTENTION}/query/kernel'
    needed = dict.fromkeys(('conv_root/kernel', 'embedding/kernel'), 4)
    needed |= {query: 3, _POSITIONS: 3}
    amiss = [
        f'{name}: {arrays[name].shape if name in arrays else "missing"}'
        for name, ndim in needed.items()
        if name not in arrays or arrays[name].ndim != ndim
    ]
    units = [_count(arrays, rf'block{block}/unit(\d+)/') for block in (1, 2, 3)]
    amiss += [f'block{index}/unit1: missing' for index, number in enumerate(units, 1) if not number]
    if amiss:
        raise LayoutError(
            'it is no hybrid of a ResNet and a vision transformer in the published layout:\n  '
            + '\n  '.join(amiss)
            + '\nGive R50+ViT-B_16.npz, trained on ImageNet-21k'
        )
    tokens = arrays[_POSITIONS].shape[1] - 1  # without that of the class
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise LayoutError(
            f'{_POSITIONS}: {arrays[_POSITIONS].shape}, expected one position for the class and those of a '
            'square'
        )
    found = dict(
        img_size=side * STRIDE,
        in_channels=arrays['conv_root/kernel'].shape[2],
        base_channels=arrays['conv_root/kernel'].shape[3],
        block_units=tuple(units),
        embed_dims=arrays['embedding/kernel'].shape[3],
        num_layers=_count(arrays, rf'{_LAYER}(\d+)/'),
        num_heads=arrays[query].shape[1],
    )
    defaults = inspect.signature(HybridViT).parameters
    return {name: value for name, value in found.items() if value != defaults[name].default}


def _count(arrays: Mapping[str, np.ndarray], pattern: str) -> int:
    """How many numbers the parts of this name have."""
    found = (re.match(pattern, name) for name in arrays)
    return len({match[1] for match in found if match})


def _published_name(name: str) -> str:
    """``layers.0.norm1`` is ``Transformer/encoderblock_0/LayerNorm_0``, ``block1.unit1`` ``block1/unit1``."""
    first, _, rest = name.partition('.')
    if first == 'layers' and rest:
        number, _, part = rest.partition('.')
        return f'{_LAYER}{number}/{_PARTS.get(part, part)}'
    return f'{_ENCODER}/encoder_norm' if name == 'norm' else name.replace('.', '/')


def _positions(found: Arrays, dims: int, height: int, width: int) -> Tensor:
    """(1, dims, height, width) of (1, 1 + height * width, dims), of which the first is of the class."""
    tokens = found.take(_POSITIONS, 1, 1 + height * width, dims)
    return tokens[:, 1:].transpose(1, 2).reshape(1, dims, height, width)


def _attention(found: Arrays, theirs: str, num_heads: int, head_dims: int) -> dict[str, Tensor]:
    """Projections that have an axis of the heads there, and query, key and value in one here."""
    dims = num_heads * head_dims
    inputs = [f'{theirs}/{part}' for part in ('query', 'key', 'value')]
    kernels = [found.take(f'{each}/kernel', dims, num_heads, head_dims) for each in inputs]
    biases = [found.take(f'{each}/bias', num_heads, head_dims) for each in inputs]
    output = found.take(f'{theirs}/out/kernel', num_heads, head_dims, dims)
    return {
        'in_proj_weight': torch.cat([kernel.reshape(dims, dims).T for kernel in kernels]),
        'in_proj_bias': torch.cat([bias.flatten() for bias in biases]),
        'out_proj.weight': output.reshape(dims, dims).T,
        'out_proj.bias': found.take(f'{theirs}/out/bias', dims),
    }


def read(path: str) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``, without running code that it may carry.

    Raises:
        LayoutError: It is none, is damaged, or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
        # The content of a single .npy is no context manager: which error that is, is Python's affair.
        raise LayoutError(
            f'it cannot be read as an .npz of plain arrays ({error}). Download it again'
        ) from error


def main(argv: list[str] | None = None) -> None:
    """Convert."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('weights', help='R50+ViT-B_16.npz, trained on ImageNet-21k')
    parser.add_argument('out', help='the .pth to write; an existing one is replaced')
    args = parser.parse_args(argv)
    try:
        options, state, unused = convert(read(args.weights))
        with replacing(args.out) as file:
            torch.save(state, file)
    except (LayoutError, OSError) as error:
        named = f'{args.weights}: ' if isinstance(error, LayoutError) else ''  # others name it
        sys.exit(f'Not converted: {named}{error}\n{args.out} was not touched.')
    print(f'# Wrote {args.out}: {len(state)} tensors. Not used: {", ".join(unused) or "nothing"};')
    print(
        '# of the position embeddings that of the class. The backbone that loads it, for RGB in [-1, 1]:\n'
    )
    init_cfg = dict(type='Pretrained', checkpoint=args.out)
    lines = [f'    {name}={value!r},' for name, value in {**options, 'init_cfg': init_cfg}.items()]
    print('\n'.join(['backbone=dict(', "    type='HybridViT',", *lines, ')']))


if __name__ == '__main__':
    main()
