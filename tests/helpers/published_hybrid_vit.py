"""Arrays of R50+ViT-B/16 in the layout in which its authors released them, and what they compute.

The forward pass is plain: functions on the arrays as they lie in the file, channels last. Nothing here is of
the package.
"""

import numpy as np
import torch
import torch.nn.functional as F

WIDTH, UNITS, DIMS, LAYERS, HEADS, GRID, CLASSES = 32, (2, 1, 2), 12, 2, 3, 4, 7
GROUPS, EPS = 32, 1e-6


def make_arrays(width=WIDTH, units_of_blocks=UNITS):
    """Random arrays, by default of a narrow and shallow network, under the published names."""
    rng = np.random.default_rng(0)
    arrays = {}

    def add(name, *shape, mean=0.0):
        arrays[name] = (mean + 0.3 * rng.standard_normal(shape)).astype(np.float32)

    def norm(name, *shape):
        add(f'{name}/scale', *shape, mean=1.0)
        add(f'{name}/bias', *shape)

    def conv(name, gn, side, before, after):
        add(f'{name}/kernel', side, side, before, after)
        norm(gn, 1, 1, 1, after)

    def dense(name, before, after):
        add(f'{name}/kernel', *before, *after)
        add(f'{name}/bias', *after)

    conv('conv_root', 'gn_root', 7, 3, width)
    channels = width
    for block, units in enumerate(units_of_blocks, 1):
        inner = width * 2 ** (block - 1)
        for unit in range(1, units + 1):
            name = f'block{block}/unit{unit}'
            conv(f'{name}/conv1', f'{name}/gn1', 1, channels, inner)
            conv(f'{name}/conv2', f'{name}/gn2', 3, inner, inner)
            conv(f'{name}/conv3', f'{name}/gn3', 1, inner, 4 * inner)
            if unit == 1:
                conv(f'{name}/conv_proj', f'{name}/gn_proj', 1, channels, 4 * inner)
            channels = 4 * inner
    dense('embedding', (1, 1, channels), (DIMS,))
    add('cls', 1, 1, DIMS)
    add('Transformer/posembed_input/pos_embedding', 1, 1 + GRID**2, DIMS)
    for layer in range(LAYERS):
        name = f'Transformer/encoderblock_{layer}'
        norm(f'{name}/LayerNorm_0', DIMS)
        attention = f'{name}/MultiHeadDotProductAttention_1'
        for part in ('query', 'key', 'value'):
            dense(f'{attention}/{part}', (DIMS,), (HEADS, DIMS // HEADS))
        dense(f'{attention}/out', (HEADS, DIMS // HEADS), (DIMS,))
        norm(f'{name}/LayerNorm_2', DIMS)
        dense(f'{name}/MlpBlock_3/Dense_0', (DIMS,), (4 * DIMS,))
        dense(f'{name}/MlpBlock_3/Dense_1', (4 * DIMS,), (DIMS,))
    norm('Transformer/encoder_norm', DIMS)
    dense('pre_logits', (DIMS,), (DIMS,))
    dense('head', (DIMS,), (CLASSES,))
    return arrays


class PlainHybrid:
    """What the arrays compute; maps are (N, H, W, C) inside."""

    def __init__(self, arrays, positions=None):
        self.arrays = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
        tokens = self.arrays['Transformer/posembed_input/pos_embedding'][:, 1:]
        self.positions = tokens if positions is None else positions

    def forward(self, images):
        """(N, 3, H, W) -> maps at strides 2, 4, 8 and 16, (N, C, h, w) each."""
        x = images.permute(0, 2, 3, 1)
        x = self.group_norm(self.conv(x, 'conv_root', 2), 'gn_root').clamp(min=0)
        maps = [x]
        x = self.max_pool(x)
        for block, units in enumerate(UNITS, 1):
            for unit in range(1, units + 1):
                x = self.unit(x, f'block{block}/unit{unit}', 2 if block > 1 and unit == 1 else 1)
            maps.append(x)
        count, height, width, _ = x.shape
        x = x @ self.arrays['embedding/kernel'][0, 0] + self.arrays['embedding/bias']
        x = x.reshape(count, height * width, DIMS) + self.positions
        for layer in range(LAYERS):
            x = self.layer(x, f'Transformer/encoderblock_{layer}')
        x = self.layer_norm(x, 'Transformer/encoder_norm')
        maps[-1] = x.reshape(count, height, width, DIMS)
        return [each.permute(0, 3, 1, 2) for each in maps]

    @staticmethod
    def same(x, side, stride, value):
        """TensorFlow's padding: ceil(size / stride) windows, the larger half right and below."""
        pads = []
        for size in (x.shape[2], x.shape[1]):
            total = max((int(np.ceil(size / stride)) - 1) * stride + side - size, 0)
            pads += [total // 2, total - total // 2]
        return F.pad(x.permute(0, 3, 1, 2), pads, value=value)

    def conv(self, x, name, stride=1):
        kernel = self.arrays[f'{name}/kernel'].numpy()
        spread = kernel.std(axis=(0, 1, 2)) + 1e-5
        kernel = torch.from_numpy((kernel - kernel.mean(axis=(0, 1, 2))) / spread)
        padded = self.same(x, kernel.shape[0], stride, 0.0)
        return F.conv2d(padded, kernel.permute(3, 2, 0, 1), stride=stride).permute(0, 2, 3, 1)

    def max_pool(self, x):
        return F.max_pool2d(self.same(x, 3, 2, -torch.inf), 3, 2).permute(0, 2, 3, 1)

    def group_norm(self, x, name):
        count, height, width, channels = x.shape
        grouped = x.reshape(count, height * width, GROUPS, channels // GROUPS)
        mean = grouped.mean(dim=(1, 3), keepdim=True)
        var = (grouped - mean).square().mean(dim=(1, 3), keepdim=True)
        normed = ((grouped - mean) / (var + EPS).sqrt()).reshape(x.shape)
        return normed * self.arrays[f'{name}/scale'] + self.arrays[f'{name}/bias']

    def unit(self, x, name, stride):
        shortcut = x
        if f'{name}/conv_proj/kernel' in self.arrays:
            projected = self.conv(x, f'{name}/conv_proj', stride)
            shortcut = self.group_norm(projected, f'{name}/gn_proj')
        x = self.group_norm(self.conv(x, f'{name}/conv1'), f'{name}/gn1').clamp(min=0)
        x = self.group_norm(self.conv(x, f'{name}/conv2', stride), f'{name}/gn2').clamp(min=0)
        return (shortcut + self.group_norm(self.conv(x, f'{name}/conv3'), f'{name}/gn3')).clamp(
            min=0
        )

    def layer_norm(self, x, name):
        mean = x.mean(-1, keepdim=True)
        var = (x - mean).square().mean(-1, keepdim=True)
        normed = (x - mean) / (var + EPS).sqrt()
        return normed * self.arrays[f'{name}/scale'] + self.arrays[f'{name}/bias']

    def layer(self, x, name):
        y = self.layer_norm(x, f'{name}/LayerNorm_0')
        attention = f'{name}/MultiHeadDotProductAttention_1'
        query, key, value = (
            torch.einsum('nlc,chd->nhld', y, self.arrays[f'{attention}/{part}/kernel'])
            + self.arrays[f'{attention}/{part}/bias'][:, None]
            for part in ('query', 'key', 'value')
        )
        weights = (query @ key.transpose(-1, -2) / (DIMS // HEADS) ** 0.5).softmax(-1)
        x = (
            x
            + torch.einsum('nhld,hdc->nlc', weights @ value, self.arrays[f'{attention}/out/kernel'])
            + self.arrays[f'{attention}/out/bias']
        )
        y = self.layer_norm(x, f'{name}/LayerNorm_2')
        first, second = f'{name}/MlpBlock_3/Dense_0', f'{name}/MlpBlock_3/Dense_1'
        y = y @ self.arrays[f'{first}/kernel'] + self.arrays[f'{first}/bias']
        y = 0.5 * y * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (y + 0.044715 * y**3)))
        return x + y @ self.arrays[f'{second}/kernel'] + self.arrays[f'{second}/bias']
