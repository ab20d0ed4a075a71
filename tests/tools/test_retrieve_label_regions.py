"""Nearest regions in label space, as a user asks for them: the json, the picture, the refusals."""

import json
import runpy
import shutil

import cv2
import numpy as np
import pytest
import torch
from hostile_pickles import RunsCode
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from segmentation_models import features_of_heads, write_autoencoder
from segmentation_training import (
    ALL_CLASSES,
    CHANNELS,
    LEARN,
    NUM_IMAGES,
    SUPERVISE,
    shared_scenes,
    write_config,
)
from training_runs import ROOT

tool = runpy.run_path(str(ROOT / 'tools' / 'retrieve_label_regions.py'))
METAINFO = dict(classes=ALL_CLASSES, reduce_zero_label=False)


class Files:
    """Config, autoencoder and checkpoint of a tiny segmentor with random weights."""

    def __init__(self, folder):
        self.path, self.network = write_autoencoder(
            folder / 'a.safetensors', METAINFO, num_classes=len(ALL_CLASSES), channels=CHANNELS
        )
        self.config = write_config(folder / 'c.py', SUPERVISE, autoencoder=self.path)
        self.stock = self.config.with_name('c_0.py')
        init_default_scope('mmseg')
        self.segmentor = MODELS.build(Config.fromfile(self.config).model)
        self.segmentor.init_weights()
        self.segmentor.eval()
        self.checkpoint = folder / 'epoch_1.pth'
        torch.save({'state_dict': self.segmentor.state_dict(), 'meta': {}}, self.checkpoint)
        self.exported = folder / 'exported.pth'
        state = self.segmentor.state_dict()
        state = {k: v for k, v in state.items() if not k.startswith('label_structure.')}
        torch.save({'state_dict': state, 'meta': {}}, self.exported)

    def with_classes(self, folder, classes):
        """A checkpoint that says that it was trained on these."""
        content = torch.load(self.checkpoint, weights_only=True)
        content['meta'] = dict(dataset_meta=dict(classes=classes, reduce_zero_label=False))
        torch.save(content, folder / 'classes.pth')
        return folder / 'classes.pth'

    def arguments(self, *more, config=None):
        return [str(config or self.config), '--autoencoder', self.path, *map(str, more)]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp('files'))


def run(arguments, out):
    tool['main']([*arguments, '--output-dir', str(out)])
    return json.loads((out / 'label_regions.json').read_text())


def files_codes(folder, encode):
    """Name -> ((6, 6, C) codes, (96, 96) labels) of the scenes of a split, written out."""
    codes = {}
    for path in sorted((shared_scenes() / 'labels' / folder).glob('*.png')):
        nearest = np.arange(96) * 64 // 96
        labels = np.asarray(Image.open(path)).astype(np.int64)[nearest][:, nearest]
        image = path.parents[2] / 'images' / folder / path.name
        codes[str(image)] = encode(labels, image)[0].permute(1, 2, 0).double(), labels
    return codes


@torch.no_grad()
def check(content, query_codes, gallery_codes):
    """The json against a search over all pairs."""
    at = {key: (codes, labels) for key, (codes, labels) in gallery_codes.items()}
    for entry in content['queries']:
        query, labels = query_codes[entry['image']]
        row, column = entry['cell']
        # A cell of 16 pixels of the input of 96 is 10 2/3 of the file's 64.
        edges = np.array([column, row, column + 1, row + 1]) * 32 / 3
        assert entry['box'] == pytest.approx(edges, abs=0.01)
        patch = labels[row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
        valid = patch[patch != 255]
        assert entry['class'] == ALL_CLASSES[np.bincount(valid).argmax()]
        distances = []
        for name, (codes, maps) in at.items():
            for i, j in np.ndindex(*codes.shape[:2]):
                cell = maps[i * 16 : i * 16 + 16, j * 16 : j * 16 + 16]
                if (cell != 255).mean() > 0.5:
                    distance = float((codes[i, j] - query[row, column]).norm())
                    distances.append((distance, name, [i, j], cell))
        assert content['summary']['gallery_regions'] == len(distances)
        distances.sort(key=lambda found: found[0])
        for found, (distance, *_) in zip(entry['neighbours'], distances, strict=False):
            assert found['distance'] == pytest.approx(distance, rel=1e-3, abs=1e-4)
            (cell,) = (
                c for _, n, at_, c in distances if [n, at_] == [found['image'], found['cell']]
            )
            both = (patch != 255) & (cell != 255)
            agreement = (patch == cell)[both].mean()
            assert found['label_agreement'] == pytest.approx(agreement, abs=1e-5)


@torch.no_grad()
def test_by_label_maps_it_finds_what_all_pairs_give(files, tmp_path, capsys):
    content = run(files.arguments('--pool', 5, '--num', 2, '--worst', 1), tmp_path)

    def encode(labels, image):
        return files.network.encoder(torch.from_numpy(labels)[None])

    check(content, files_codes('train', encode), files_codes('val', encode))
    shown = [entry['shown_as'] for entry in content['queries']]
    assert shown[:2] == ['random', 'random'] and sorted(map(str, shown[2:])) == [
        'None',
        'None',
        'worst',
    ]
    agreement = [
        np.mean([n['label_agreement'] for n in entry['neighbours']])
        for entry in content['queries'][2:]
    ]
    assert shown[2:].index('worst') == int(np.argmin(agreement))
    assert [len(entry['neighbours']) for entry in content['queries']] == [2] * 5
    picture = Image.open(tmp_path / 'label_regions.png')
    assert picture.width > picture.height > 300
    output = capsys.readouterr().out
    assert '5 queries' in output and 'whatever the size of the gallery' in output


@torch.no_grad()
def test_by_images_it_compares_what_the_branch_predicts(files, tmp_path):
    arguments = [str(files.config), '--checkpoint', str(files.checkpoint)]
    content = run([*arguments, '--pool', '4', '--num', '1', '--worst', '0'], tmp_path)
    head = files.segmentor.label_structure[0]

    def predict(labels, image):
        pixels = cv2.resize(cv2.imread(str(image)), (96, 96), interpolation=cv2.INTER_LINEAR)
        mean, std = torch.tensor([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]])
        rgb = torch.from_numpy(pixels[..., ::-1].copy()).float()
        inputs = ((rgb - mean) / std).permute(2, 0, 1)[None]
        return head.predict_code(features_of_heads(files.segmentor, inputs)[0], (96, 96))

    check(content, files_codes('train', predict), files_codes('val', predict))
    assert content['options']['queries'] == content['options']['gallery'] == 'images'


def test_queries_of_labels_among_images_and_one_neighbour_an_image(files, tmp_path):
    more = ['--checkpoint', files.checkpoint, '--queries', 'labels', '--one-per-image']
    more += ['--metric', 'cosine', '--neighbours', 3, '--num', 0, '--worst', 0]
    content = run(files.arguments(*more), tmp_path)
    assert not (tmp_path / 'label_regions.png').exists()
    assert content['summary']['queries'] == NUM_IMAGES  # not more than there are images
    for entry in content['queries']:
        assert len({found['image'] for found in entry['neighbours']}) == 3


def test_by_label_maps_no_image_is_read_and_a_seed_repeats_itself(files, tmp_path):
    data = shutil.copytree(shared_scenes(), tmp_path / 'data')
    for path in data.glob('images/*/*'):
        path.write_bytes(b'no image')
    config = write_config(tmp_path / 'c.py', LEARN, data=data)
    arguments = files.arguments('--pool', 3, '--num', 0, '--worst', 0, config=config)
    contents = [run(arguments, tmp_path / str(i))['queries'] for i in range(2)]
    assert contents[0] == contents[1]
    other = run([*arguments, '--seed', '1'], tmp_path / 'other')['queries']
    assert [e['image'] for e in other] != [e['image'] for e in contents[0]]


def test_queries_of_chosen_classes(files, tmp_path):
    name = run(files.arguments('--num', 0, '--worst', 0), tmp_path)['queries'][0]['class']
    content = run(files.arguments('--num', 0, '--worst', 0, '--classes', name), tmp_path)
    assert {entry['class'] for entry in content['queries']} == {name}


def test_maps_with_another_void_are_encoded(files, tmp_path):
    data = shutil.copytree(shared_scenes(), tmp_path / 'data')
    for path in data.glob('labels/*/*.png'):
        label_map = np.array(Image.open(path))
        label_map[label_map == 255] = 200
        label_map[0] = 200
        Image.fromarray(label_map).save(path)
    config = write_config(tmp_path / 'c.py', SUPERVISE, autoencoder=files.path, data=data)
    arguments = files.arguments('--pool', 2, '--num', 0, '--worst', 0, config=config)
    with pytest.raises(SystemExit, match='200'):
        run(arguments, tmp_path / 'refused')
    void = ['--cfg-options', 'model.decode_head.ignore_index=200']
    assert run([*arguments, *void], tmp_path / 'out')['summary']['queries'] == 2


def other_autoencoder(folder, **changes):
    torch.manual_seed(1234)
    path, _ = write_autoencoder(
        folder / 'other.safetensors',
        {**METAINFO, **changes.pop('metainfo', {})},
        **(dict(num_classes=len(ALL_CLASSES), channels=CHANNELS) | changes),
    )
    return ['--autoencoder', path]


def hostile(folder):
    torch.save({'state_dict': {}, 'x': RunsCode('touch marker')}, folder / 'spoiled.pth')
    return ['--checkpoint', str(folder / 'spoiled.pth')]


BOTH = ['--queries', 'labels', '--gallery', 'images']
FAULTS = {
    'no config': (lambda f, t: ['gone.py'], "Config 'gone.py' does not exist"),
    'no autoencoder': (lambda f, t: [f.config], 'without one, --queries images --gallery images'),
    'autoencoder is gone': (
        lambda f, t: [f.config, '--autoencoder', t / 'gone'],
        'gone: no such file. Train a LabelAutoEncoder first',
    ),
    'other classes': (
        lambda f, t: [
            f.config,
            *other_autoencoder(t, metainfo=dict(classes=[*ALL_CLASSES[:-1], 'x'])),
        ],
        'trained on other labels than this data set has',
    ),
    'other void': (
        lambda f, t: [f.config, *other_autoencoder(t, metainfo=dict(reduce_zero_label=True))],
        'reduce_zero_label is False',
    ),
    'checkpoint as autoencoder': (
        lambda f, t: [f.config, '--autoencoder', f.checkpoint],
        'was not written by labelenc_mm',
    ),
    'no checkpoint': (
        lambda f, t: [f.config, '--gallery', 'images', '--queries', 'images'],
        'codes of images need --checkpoint',
    ),
    'checkpoint is gone': (
        lambda f, t: [f.config, '--checkpoint', t / 'gone.pth'],
        'does not exist',
    ),
    'hostile': (lambda f, t: [f.config, *hostile(t)], 'spoiled.pth was refused'),
    'exported': (
        lambda f, t: [f.config, '--checkpoint', f.exported],
        'an exported segmentor has no decoder branch',
    ),
    'no branch': (
        lambda f, t: [f.stock, '--checkpoint', f.exported],
        'EncoderDecoder has no decoder branch',
    ),
    'codes of two kinds': (
        lambda f, t: (
            [f.config, '--checkpoint', f.checkpoint, *BOTH]
            + other_autoencoder(t, channels=(8, 8, 8, 8, 4))
        ),
        r'is not the autoencoder that the segmentor was trained with:\n  channels',
    ),
    'codes of another seed': (
        lambda f, t: [f.config, '--checkpoint', f.checkpoint, *BOTH, *other_autoencoder(t)],
        r'decoder\.convs\.0\.weight: other values in the file',
    ),
    'decoder trained further': (
        lambda f, t: [
            *f.arguments('--checkpoint', f.checkpoint, *BOTH),
            '--cfg-options',
            'model.label_structure.0.freeze=False',
        ],
        r'trained further \(freeze=False\)',
    ),
    'checkpoint of other classes': (
        lambda f, t: [f.config, '--checkpoint', f.with_classes(t, [*ALL_CLASSES[:-1], 'x'])],
        r"\(checkpoint: 'x'\)(.|\n)*Give the config",
    ),
    'unknown class': (lambda f, t: [*f.arguments(), '--classes', 'unicorn'], '--classes unicorn'),
    'no query': (lambda f, t: [*f.arguments(), '--pool', 0], '--pool must be at least 1'),
    'empty gallery': (
        lambda f, t: [*f.arguments(), '--cfg-options', 'val_dataloader.dataset.indices=0'],
        'The data set of val_dataloader is empty',
    ),
    'detector': (
        lambda f, t: [*f.arguments(), '--cfg-options', 'default_scope=mmdet'],
        "default_scope 'mmdet'",
    ),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_the_user_can_mend_is_said(name, files, tmp_path):
    make, message = FAULTS[name]
    with pytest.raises(SystemExit, match=message):
        tool['main']([*map(str, make(files, tmp_path)), '--output-dir', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists() and not (tmp_path / 'marker').exists()
