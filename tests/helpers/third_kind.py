"""A method of a third kind: what hands over and takes knows neither of LabelEnc nor of label structure.

A copier learns to repeat numbers; a counter sums them up under the copier's frozen encoder, with a trunk
that starts from it too, and leaves a stock model of its own kind.
"""

import torch
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, HOOKS, LOOPS, MODELS
from torch import nn

from labelenc_mm.handover.artefact import CLASSES
from labelenc_mm.handover.declaration import ArtefactKind, HandsOver, Leaves, Take, Under
from labelenc_mm.handover.export import Exporter
from labelenc_mm.handover.frozen_part import FrozenPart
from labelenc_mm.handover.hook import HandOverHook

NAMES = ('one', 'two')
COPIER = ArtefactKind(
    kind='test copier',
    noun='copier',
    file_name='copier.safetensors',
    origin='Train a Copier first',
    parts={'encoder.': Under('encoder.'), 'trunk.': Under('trunk.')},
    labels_of='copier',
    checks={'classes': CLASSES},
)


@MODELS.register_module()
class Copier(HandsOver, BaseModel):
    """Pretraining: leaves its encoder and its trunk."""

    own_prefixes = ('encoder.', 'trunk.')
    not_exported = 'a copier is nothing by itself'

    def __init__(self, width=4):
        super().__init__()
        self.width = width
        self.encoder = nn.Linear(2, width)
        self.trunk = nn.Sequential(nn.Linear(width, width), nn.Linear(width, 2))

    def leaves(self, metainfo):
        classes = metainfo.get('classes')
        return Leaves(COPIER, {'width': self.width, 'classes': classes and list(classes)})

    def forward(self, inputs, mode='loss'):
        x = torch.stack(inputs)
        return {'loss': (self.trunk(self.encoder(x)) - x).square().mean()}


class CopierPart(FrozenPart):
    """Its frozen encoder, and where the owner's trunk starts."""

    artefact = COPIER
    taken = ('encoder',)
    missing = 'set init_from to a copier'

    def __init__(self, width, init_from=None):
        super().__init__(init_from)
        self.width = width
        self.encoder = nn.Linear(2, width)
        self.adapter = nn.Linear(width, width)
        self.freeze()

    def take(self, owner, again=False):
        takes = [Take('encoder.', Under('copied.encoder.'))]
        if not again:
            takes.append(Take('trunk.', Under('trunk.'), fresh=('1.',)))
        artefact = self.artefact.read(self.init_from, 'copied.init_from')
        artefact.check(owner, takes, {'width': self.width}, 'counter', 'Train another copier')
        artefact.fill(owner, takes)
        self.metadata = artefact.metadata

    def forward(self, x):
        return self.adapter(self.encoder(x))


@MODELS.register_module()
class StockCounter(BaseModel):
    """What is left of it in the end: a trunk."""

    def __init__(self, width=4, data_preprocessor=None):
        super().__init__()
        self.stem = nn.Conv2d(3, 2, 1)
        self.lift = nn.Linear(2, width)
        self.trunk = nn.Sequential(nn.Linear(width, width), nn.Linear(width, 1))

    def count(self, x):
        return self.trunk(self.lift(x))

    def forward(self, inputs, mode='loss'):
        x = torch.stack(inputs)
        if mode == 'predict':
            return list(self.count(x))
        return {'loss': (self.count(x) - x.sum(1, keepdim=True)).square().mean()}


@MODELS.register_module()
class Counter(HandsOver, StockCounter):
    """The same, whose lifted numbers follow those of the copier."""

    stock_type = 'StockCounter'
    own_prefixes = ('copied.',)

    def __init__(self, copied, width=4, **kwargs):
        super().__init__(width, **kwargs)
        self.copied = CopierPart(width, **copied)

    def init_weights(self):
        super().init_weights()
        self.copied.load(self)

    def forward(self, inputs, mode='loss'):
        losses = super().forward(inputs, mode)
        if mode == 'loss':
            self.copied.check_is_learned()
            x = torch.stack(inputs)
            losses['loss_copied'] = (self.lift(x) - self.copied(x)).square().mean()
        return losses


def run(model, image):
    numbers = image.float().mean((1, 2))[:2]
    return [model.count(numbers), model.stem(image.float()[None])]


EXPORTER = Exporter(
    noun='counter',
    file_name='exported_counter.pth',
    scope='mmengine',
    models=MODELS,
    hooks=HOOKS,
    loops=LOOPS,
    subtree='copied',
    run=run,
)


@HOOKS.register_module()
class CopierHook(HandOverHook):
    """The hook of both trainings."""

    exporter = EXPORTER


@DATASETS.register_module()
class Numbers(torch.utils.data.Dataset):
    """Pairs of numbers."""

    def __init__(self, classes=NAMES):
        self.metainfo = {'classes': classes}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return {'inputs': torch.tensor([index / 8, 1 - index / 4])}
