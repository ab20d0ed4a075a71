"""What step 1 of LabelEnc's released code writes, with random weights, and what it computes from them.

Written from the released module definitions, in plain functions on their names; nothing here knows the
names of this package.
"""

import math

import torch
import torch.nn.functional as F

KINDS = ('RetinaNet', 'FCOS', 'FCOS with deformable convolutions', 'Faster R-CNN')
WIDTH = 256


def _conv(out_channels, in_channels, kernel):
    scale = math.sqrt(2 / (in_channels * kernel**2))
    weight = scale * torch.randn(out_channels, in_channels, kernel, kernel)
    return {'weight': weight, 'bias': 0.1 * torch.randn(out_channels)}


def _linear(out_channels, in_channels):
    weight = math.sqrt(2 / in_channels) * torch.randn(out_channels, in_channels)
    return {'weight': weight, 'bias': 0.1 * torch.randn(out_channels)}


def _named(modules):
    return {
        f'{name}.{key}': value for name, state in modules.items() for key, value in state.items()
    }


def _encoder(num_classes):
    modules = {'body.stage1': _conv(128, num_classes, 7)}
    blocks = {
        'stage2': (128, 64, 256),
        'stage3.0': (256, 128, 512),
        'stage3.1': (512, 128, 512),
        'stage4.0': (512, 256, 1024),
        'stage4.1': (1024, 256, 1024),
        'stage5': (1024, 512, 2048),
    }
    for name, (in_channels, mid, out) in blocks.items():
        modules[f'body.{name}.con1'] = _conv(mid, in_channels, 1)
        modules[f'body.{name}.con2'] = _conv(mid, mid, 3)
        modules[f'body.{name}.con3'] = _conv(out, mid, 1)
        if in_channels != out:
            projection = _conv(out, in_channels, 1)
            modules[f'body.{name}.downsample.0'] = {'weight': projection['weight']}
    return modules


def _fpn(kind):
    modules = {}
    for level in (1, 2, 3, 4) if kind == 'Faster R-CNN' else (2, 3, 4):
        modules[f'fpn.fpn_inner{level}'] = _conv(WIDTH, 128 * 2**level, 1)
        modules[f'fpn.fpn_layer{level}'] = _conv(WIDTH, WIDTH, 3)
    if kind != 'Faster R-CNN':
        modules['fpn.top_blocks.p6'] = _conv(WIDTH, 2048 if kind == 'RetinaNet' else WIDTH, 3)
        modules['fpn.top_blocks.p7'] = _conv(WIDTH, WIDTH, 3)
    return modules


def _one_stage_head(kind, num_classes):
    modules, anchors = {}, 9 if kind == 'RetinaNet' else 1
    step = 2 if kind == 'RetinaNet' else 3
    for tower in ('cls_tower', 'bbox_tower'):
        for index in range(4):
            name = f'head.{tower}.{step * index}'
            if 'deformable' in kind and index == 3:
                modules[f'{name}.conv'] = _conv(WIDTH, WIDTH, 3)
                modules[f'{name}.offset'] = _conv(27, WIDTH, 3)
            else:
                modules[name] = _conv(WIDTH, WIDTH, 3)
            if step == 3:
                norm = {'weight': 1 + 0.1 * torch.randn(WIDTH), 'bias': 0.1 * torch.randn(WIDTH)}
                modules[f'head.{tower}.{step * index + 1}'] = norm
    modules['head.cls_logits'] = _conv(num_classes * anchors, WIDTH, 3)
    modules['head.bbox_pred'] = _conv(4 * anchors, WIDTH, 3)
    if kind != 'RetinaNet':
        modules['head.centerness'] = _conv(1, WIDTH, 3)
        for level in range(5):
            modules[f'head.scales.{level}'] = {'scale': torch.rand(1) + 0.5}
    return modules


def anchors(kind):
    """Anchors per level, (x1, y1, x2, y2) with inclusive ends, from sizes rounded to whole pixels."""
    if kind.startswith('FCOS'):
        return []
    retina = kind == 'RetinaNet'
    octaves = (1, 2 ** (1 / 3), 2 ** (2 / 3)) if retina else (1,)
    result = []
    for stride in (8, 16, 32, 64, 128) if retina else (4, 8, 16, 32, 64):
        centre, level = (stride - 1) / 2, []
        for ratio in (0.5, 1, 2):
            width = round(math.sqrt(stride**2 / ratio))
            height = round(width * ratio)
            for octave in octaves:
                w, h = (side * octave * (4 if retina else 8) for side in (width, height))
                corner = (centre - (w - 1) / 2, centre - (h - 1) / 2)
                level.append((*corner, centre + (w - 1) / 2, centre + (h - 1) / 2))
        result.append(torch.tensor(level))
    return result


def make_checkpoint(kind, num_classes=80):
    """The content of ``label_encoding_function.pth`` for one kind of detector."""
    checkpoint = {'label_encoding_function': _named({**_encoder(num_classes), **_fpn(kind)})}
    if kind == 'Faster R-CNN':
        rpn = {
            'head.conv': _conv(WIDTH, WIDTH, 3),
            'head.cls_logits': _conv(3, WIDTH, 1),
            'head.bbox_pred': _conv(12, WIDTH, 1),
        }
        box = {
            'box.feature_extractor.fc6': _linear(1024, WIDTH * 49),
            'box.feature_extractor.fc7': _linear(1024, 1024),
            'box.predictor.cls_score': _linear(num_classes + 1, 1024),
            'box.predictor.bbox_pred': _linear(4 * (num_classes + 1), 1024),
        }
        checkpoint.update(rpn=_named(rpn), roi_heads=_named(box))
    else:
        checkpoint['rpn'] = _named(_one_stage_head(kind, num_classes))
    for level, boxes in enumerate(anchors(kind)):
        checkpoint['rpn'][f'anchor_generator.cell_anchors.{level}'] = boxes
    return checkpoint


def _apply(state, name, x, **options):
    return F.conv2d(x, state[f'{name}.weight'], state.get(f'{name}.bias'), **options)


def encode(checkpoint, maps):
    """(N, classes, H, W) dense object maps -> features of strides 4, 8, 16, 32."""
    state = checkpoint['label_encoding_function']
    x = _apply(state, 'body.stage1', maps, stride=2, padding=3)
    features = []
    for stage, blocks in (('2', ('',)), ('3', ('.0', '.1')), ('4', ('.0', '.1')), ('5', ('',))):
        for index, block in enumerate(blocks):
            name, stride = f'body.stage{stage}{block}', 1 if index else 2
            out = F.relu(_apply(state, f'{name}.con1', x))
            out = F.relu(_apply(state, f'{name}.con2', out, stride=stride, padding=1))
            out = _apply(state, f'{name}.con3', out)
            if f'{name}.downsample.0.weight' in state:
                x = _apply(state, f'{name}.downsample.0', x, stride=stride)
            x = F.relu(out + x)
        features.append(x)
    return features


def pyramid(checkpoint, features):
    """Features of strides 4 to 32 -> the five levels of the FPN."""
    state = checkpoint['label_encoding_function']
    levels = [n for n in (1, 2, 3, 4) if f'fpn.fpn_inner{n}.weight' in state]
    above, outputs = None, []
    for level in reversed(levels):
        inner = _apply(state, f'fpn.fpn_inner{level}', features[level - 1])
        if above is not None:
            inner = inner + F.interpolate(above, scale_factor=2, mode='nearest')
        above = inner
        outputs.insert(0, _apply(state, f'fpn.fpn_layer{level}', inner, padding=1))
    if 'fpn.top_blocks.p6.weight' not in state:
        return [*outputs, F.max_pool2d(outputs[-1], 1, 2, 0)]
    # Made from C5, or from P5 where that fits.
    source = outputs[-1] if state['fpn.top_blocks.p6.weight'].shape[1] == WIDTH else features[-1]
    p6 = _apply(state, 'fpn.top_blocks.p6', source, stride=2, padding=1)
    return [*outputs, p6, _apply(state, 'fpn.top_blocks.p7', F.relu(p6), stride=2, padding=1)]


def tower(checkpoint, name, x):
    """One tower of a one-stage head on one level."""
    state = checkpoint['rpn']
    step = 3 if 'head.centerness.weight' in state else 2
    for index in range(4):
        layer = f'head.{name}.{step * index}'
        if f'{layer}.offset.weight' in state:
            x = _deformable(state, layer, x)
        else:
            x = _apply(state, layer, x, padding=1)
        if step == 3:
            norm = f'head.{name}.{step * index + 1}'
            x = F.group_norm(x, 32, state[f'{norm}.weight'], state[f'{norm}.bias'])
        x = F.relu(x)
    return x


def _deformable(state, layer, x):
    """Modulated deformable 3x3 convolution: 18 offsets (y, x per tap), then 9 masks."""
    count, _, height, width = x.shape
    both = _apply(state, f'{layer}.offset', x, padding=1)
    offsets, masks = both[:, :18].reshape(count, 9, 2, height, width), both[:, 18:].sigmoid()
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    out = state[f'{layer}.conv.bias'].reshape(1, -1, 1, 1).expand(count, -1, height, width)
    for tap in range(9):
        y = rows + tap // 3 - 1 + offsets[:, tap, 0]
        x_ = columns + tap % 3 - 1 + offsets[:, tap, 1]
        grid = torch.stack([(2 * x_ + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
        # Outside lie zeros, between which and the border values are interpolated.
        sampled = F.grid_sample(x, grid, padding_mode='zeros', align_corners=False)
        weight = state[f'{layer}.conv.weight'][:, :, tap // 3, tap % 3]
        out = out + torch.einsum('oc,nchw->nohw', weight, sampled * masks[:, tap : tap + 1])
    return out


def retina_head(checkpoint, x):
    """Class logits and box deltas of one level."""
    state = checkpoint['rpn']
    return (
        _apply(state, 'head.cls_logits', tower(checkpoint, 'cls_tower', x), padding=1),
        _apply(state, 'head.bbox_pred', tower(checkpoint, 'bbox_tower', x), padding=1),
    )


def fcos_head(checkpoint, x, level, improved=False):
    """Class logits, distances as the losses see them, and centre-ness of one level."""
    state = checkpoint['rpn']
    classes, boxes = (tower(checkpoint, name, x) for name in ('cls_tower', 'bbox_tower'))
    scaled = state[f'head.scales.{level}.scale'] * _apply(state, 'head.bbox_pred', boxes, padding=1)
    return (
        _apply(state, 'head.cls_logits', classes, padding=1),
        F.relu(scaled) if improved else scaled.exp(),
        _apply(state, 'head.centerness', boxes if improved else classes, padding=1),
    )


def rpn_head(checkpoint, x):
    """Objectness and box deltas of one level."""
    state = checkpoint['rpn']
    x = F.relu(_apply(state, 'head.conv', x, padding=1))
    return _apply(state, 'head.cls_logits', x), _apply(state, 'head.bbox_pred', x)


def box_head(checkpoint, x):
    """(N, C, 7, 7) pooled features -> class logits, background first, and box deltas of every class."""
    state = {k: v for k, v in checkpoint['roi_heads'].items() if k.startswith('box.')}
    x = x.reshape(len(x), -1)
    for name in ('fc6', 'fc7'):
        name = f'box.feature_extractor.{name}'
        x = F.relu(F.linear(x, state[f'{name}.weight'], state[f'{name}.bias']))
    return tuple(
        F.linear(x, state[f'box.predictor.{name}.weight'], state[f'box.predictor.{name}.bias'])
        for name in ('cls_score', 'bbox_pred')
    )


def decode(deltas, boxes, weights):
    """Boxes (N, 4), with inclusive ends, that deltas (N, 4) make of others."""
    width, height = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    x, y = boxes[:, 0] + width / 2, boxes[:, 1] + height / 2
    dx, dy, dw, dh = (deltas[:, i] / weights[i] for i in range(4))
    x, y = x + dx * width, y + dy * height
    width, height = width * dw.exp(), height * dh.exp()
    return torch.stack(
        [x - width / 2, y - height / 2, x + width / 2 - 1, y + height / 2 - 1], dim=1
    )
