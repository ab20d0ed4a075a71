"""Lists of a part of ImageNet's images or labels, from a made-up tree of classes."""

import json
import runpy
from collections import Counter, defaultdict
from hashlib import sha256
from pathlib import Path

import pytest

from labelenc_mm.pretraining import ImageListDataset

TOOLS = Path(__file__).parents[2] / 'tools'
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(TOOLS)
    main = runpy.run_path(str(TOOLS / 'make_imagenet_variants.py'))['main']

# Two kinds of one size, each of two, the first of which is uneven.
TREE = {
    'thing': ('animal', 'tool'),
    'animal': ('dog', 'cat'),
    'tool': ('saw', 'hammer'),
    'dog': ('n1', 'n2', 'n3'),
    'cat': ('n4',),
    'saw': ('n5', 'n6'),
    'hammer': ('n7', 'n8'),
}
CLASSES = [f'n{i}' for i in range(1, 9)]
EACH = 25


@pytest.fixture
def source(tmp_path):
    """The images of eight classes as a list, and the tree."""
    paths = [f'{name}/{name}_{i}.JPEG' for i in range(EACH) for name in CLASSES]
    (tmp_path / 'train.txt').write_text('\n'.join(paths))
    lines = [f'{parent} {child}' for parent, children in TREE.items() for child in children]
    (tmp_path / 'is_a.txt').write_text('\n'.join([*lines, 'other n1']))  # a second parent
    return tmp_path


def make(folder, *options, source='train.txt', out='out'):
    main([str(folder / source), '--out', str(folder / out), *map(str, options)])


def read(folder, name, classes=8):
    """Path -> label of a list, as a data set reads it, and its facts."""
    path = folder / 'out' / f'{name}.txt'
    data = ImageListDataset(str(path), num_classes=classes)
    infos = [data.get_data_info(i) for i in range(len(data))]
    labels = {info['img_path']: info['gt_label'].item() for info in infos}
    return labels, json.loads(path.with_suffix('.json').read_text())


def class_of(path):
    return CLASSES.index(path.split('/')[0])


def test_all_images_have_the_labels_of_their_folders(source):
    make(source)
    labels, facts = read(source, 'all')
    assert len(labels) == facts['images'] == 8 * EACH
    assert all(label == class_of(path) for path, label in labels.items())


def test_a_folder_gives_the_lists_of_its_images(source):
    for line in (source / 'train.txt').read_text().splitlines():
        (source / 'photos' / line).parent.mkdir(parents=True, exist_ok=True)
        (source / 'photos' / line).touch()
    make(source, '--samples', 3)
    make(source, '--samples', 3, source='photos', out='other')
    for path in (source / 'out').iterdir():
        assert path.read_text() == (source / 'other' / path.name).read_text()


def test_samples_are_so_many_of_each_class_and_nested(source):
    make(source, '--samples', 10, 3)
    few, many = (read(source, f'{number}-a-class_seed0') for number in (3, 10))
    for (labels, facts), number in ((few, 3), (many, 10)):
        assert Counter(labels.values()) == dict.fromkeys(range(8), number)
        assert all(label == class_of(path) for path, label in labels.items())
        assert (facts['images'], facts['of_images']) == (8 * number, 8 * EACH)
    assert few[0].items() < many[0].items()
    make(source, '--samples', 3, '--seed', 1)
    other, _ = read(source, '3-a-class_seed1')
    assert other != few[0]


def test_noise_gives_a_share_of_the_images_another_label(source):
    make(source, '--noise', '10%', '0.5')
    for share in (10, 50):
        labels, _ = read(source, f'e{share}_seed0')
        wrong = [label for path, label in labels.items() if label != class_of(path)]
        assert len(labels) == 8 * EACH and len(wrong) == 2 * share
    assert {*wrong} == {*range(8)}


def test_random_buckets_have_one_size_and_keep_classes_together(source):
    make(source, '--random-buckets', 3, 8)
    labels, _ = read(source, 'r3_seed0', classes=3)
    found = {class_of(path): label for path, label in labels.items()}
    assert all(found[class_of(path)] == label for path, label in labels.items())
    assert sorted(Counter(found.values()).values()) == [2, 3, 3]
    assert len({*read(source, 'r8_seed0')[0].values()}) == 8


def buckets(folder, number):
    found = defaultdict(set)
    for path, label in read(folder, f'h{number}', number)[0].items():
        found[label].add(path.split('/')[0])
    return sorted(map(sorted, found.values()))


def test_tree_buckets_are_subtrees_of_like_size(source):
    make(source, '--tree-buckets', 2, 3, 4, 8, '--is-a', source / 'is_a.txt')
    animals, tools = ['n1', 'n2', 'n3', 'n4'], ['n5', 'n6', 'n7', 'n8']
    saws, hammers = tools[:2], tools[2:]
    assert buckets(source, 2) == [animals, tools]
    assert buckets(source, 3) == [animals, saws, hammers]
    assert buckets(source, 4) == [['n1', 'n2', 'n3'], ['n4'], saws, hammers]
    assert buckets(source, 8) == [[name] for name in CLASSES]


def test_a_class_below_another_class_can_be_cut_off(source):
    (source / 'train.txt').write_text('n1/a.jpg\nn2/a.jpg\n')
    (source / 'is_a.txt').write_text('thing n1\nn1 n2\n')
    make(source, '--tree-buckets', 2, '--is-a', source / 'is_a.txt')
    assert buckets(source, 2) == [['n1'], ['n2']]


def test_images_for_validation_get_the_same_labels(source):
    (source / 'val.txt').write_text('n8/v.JPEG\nn2/v.JPEG\nn2/w.JPEG')
    options = ['--random-buckets', 3, '--tree-buckets', 2, '--is-a', source / 'is_a.txt']
    make(source, '--val', source / 'val.txt', '--samples', 2, *options)
    for name, number in (('all', 8), ('r3_seed0', 3), ('h2', 2)):
        labels, _ = read(source, name, number)
        new = {class_of(path): label for path, label in labels.items()}
        val, facts = read(source, f'{name}_val', number)
        assert val == {p: new[class_of(p)] for p in ('n2/v.JPEG', 'n2/w.JPEG', 'n8/v.JPEG')}
        assert facts['of_images'] == 3
    (source / 'val.txt').write_text('n9/v.JPEG')
    with pytest.raises(SystemExit, match=r'val\.txt: n9 is no class of .*train\.txt'):
        make(source, '--val', source / 'val.txt', out='other')


def test_draws_are_the_same_on_any_machine(source):
    make(source, '--samples', 2, '--noise', '10%', '--random-buckets', 3)
    keys = {sha256(f'0 n3/n3_{i}.JPEG'.encode()).digest(): f'n3/n3_{i}.JPEG' for i in range(EACH)}
    found = {path for path in read(source, '2-a-class_seed0')[0] if path.startswith('n3/')}
    assert found == {keys[key] for key in sorted(keys)[:2]}
    # what the same seed gave elsewhere
    sums = {name: read(source, f'{name}_seed0')[1]['sha256'][:8] for name in ('e10', 'r3')}
    assert sums == {'e10': '0c0dc473', 'r3': '64b2c5f8'}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--samples', 26], r'--samples 26: .*train\.txt has 25 images of n1; expected 1 to 25'),
        (['--samples', 0], r'--samples 0'),
        (['--noise', '10'], r'--noise 10: expected a share, 10% perhaps'),
        (['--noise', 'some'], 'expected .* a share'),
        (['--random-buckets', 9], r'--random-buckets 9: there are 8 classes'),
        (['--tree-buckets', 9], r'--tree-buckets 9: there are 8 classes'),
        (['--tree-buckets', 0], r'--tree-buckets 0: there are 8 classes'),
    ],
)
def test_numbers_that_cannot_be_had_are_refused(source, options, message):
    with pytest.raises(SystemExit, match=message):
        make(source, *options, '--is-a', source / 'is_a.txt')
    assert not (source / 'out').exists()


@pytest.mark.parametrize(
    ('tree', 'message'),
    [
        ('a b c', r"is_a\.txt, line 1: 'a b c'; expected \"parent child\""),
        ('thing n1\n\nthing n3', r'is_a\.txt: there is no n2, the class of n2/n2_0\.JPEG'),
        (
            '\n'.join(['a b', 'b a', *(f'a n{i}' for i in range(1, 9))]),
            r'is_a\.txt, line 1: a is its own ancestor, by a is a b is a a; expected a tree',
        ),
        (None, 'No such file'),
    ],
)
def test_trees_that_are_none_are_refused(source, tree, message):
    path = source / 'is_a.txt'
    path.unlink() if tree is None else path.write_text(tree)
    with pytest.raises(SystemExit, match=message):
        make(source, '--tree-buckets', 2, '--is-a', path)


def test_sources_that_are_none_are_refused(source, capsys):
    with pytest.raises(SystemExit, match='found no such folder or list'):
        make(source, source='none')
    (source / 'train.txt').write_text('n1/a.jpg\n\nb.jpg')
    with pytest.raises(SystemExit, match=r'train\.txt, line 3: b\.jpg lies in no folder'):
        make(source)
    (source / 'train.txt').write_text('')
    with pytest.raises(SystemExit, match='found no image'):
        make(source)
    with pytest.raises(SystemExit):
        make(source, '--tree-buckets', 2)
    assert '--tree-buckets needs the tree' in capsys.readouterr().err
