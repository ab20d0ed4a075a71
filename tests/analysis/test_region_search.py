"""What a config says of a search; what it finds is tested with the tool."""

import pytest
from mmengine.config import Config

pytest.importorskip('mmseg')

from labelenc_mm.analysis.region_search import ignore_index_of


@pytest.mark.parametrize('kind', ['segmentor', 'cascade', 'autoencoder', 'default'])
def test_void_is_what_the_config_says(kind):
    model = {
        'segmentor': dict(decode_head=dict(ignore_index=7)),
        'cascade': dict(decode_head=[dict(ignore_index=9), dict(ignore_index=7)]),
        'autoencoder': dict(type='LabelAutoEncoder', ignore_index=7),
        'default': dict(decode_head=dict(ignore_index=None)),
    }[kind]
    expected = 255 if kind == 'default' else 7
    assert ignore_index_of(Config(dict(model=model))) == expected
