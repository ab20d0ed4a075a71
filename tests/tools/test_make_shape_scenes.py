"""The command line of the embedded data set."""

import json
import runpy
from pathlib import Path

import pytest

from labelenc_mm.shape_scenes import ShapeScenes, write_shape_scenes

main = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'make_shape_scenes.py'))['main']


def test_options_reach_the_writer(tmp_path, capsys):
    out = tmp_path / 'a'
    sizes = ['--train', '3', '--val', '2', '--size', '40', '56']
    main([str(out), *sizes, '--seed', '4', '--void-contour', '2', '--format', 'jpg'])
    assert '3 training and 2 validation' in capsys.readouterr().out
    stamp = json.loads((out / 'shape_scenes.json').read_text())
    expected = write_shape_scenes(
        tmp_path / 'b', 3, 2, (40, 56), 4, void_contour=2, image_format='jpg', progress=False
    )
    assert stamp == json.loads((expected / 'shape_scenes.json').read_text())
    coco = json.loads((out / 'annotations' / 'train.json').read_text())
    assert len(coco['annotations']) == sum(
        len(ShapeScenes((40, 56), 'train', 4)[index].labels) for index in range(3)
    )


def test_other_parameters_end_with_a_message_and_overwrite_replaces(tmp_path):
    out = str(tmp_path / 'a')
    main([out, '--train', '1', '--val', '0', '--size', '32', '32'])
    with pytest.raises(SystemExit, match=r'num_train is 1, asked for 2.*--overwrite'):
        main([out, '--train', '2', '--val', '0', '--size', '32', '32'])
    main([out, '--train', '2', '--val', '0', '--size', '32', '32', '--overwrite'])
    assert len(list((tmp_path / 'a' / 'images' / 'train').iterdir())) == 2


def test_bad_numbers_end_with_a_message(tmp_path):
    with pytest.raises(SystemExit, match='error: size'):
        main([str(tmp_path / 'a'), '--size', '8', '8'])
