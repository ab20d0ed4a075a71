"""Models made from the toolbox's own, with a toy toolbox."""

import pytest
from mmengine.registry import Registry

from labelenc_mm.engine.derived_models import derive_model, register_derived_models


class Base:
    def name(self):
        return 'stock'


class Unfit(Base):
    pass


class Mixin:
    def name(self):
        return f'ours, over {super().name()}'


def make(cls):
    if issubclass(cls, Unfit):
        raise TypeError('Unfit has no features')
    return derive_model(cls, Mixin, 'Our', 'features')


@pytest.fixture
def models():
    models = Registry('model of a toy toolbox', scope='toy')
    for cls in (Base, Unfit, Mixin):
        models.register_module(module=cls)
    models.register_module(name='function', module=lambda: None)
    register_derived_models(models, Base, Mixin, 'Our', make)
    return models


def test_mixin_goes_first_and_the_stock_name_is_kept(models):
    model = models.build(dict(type='OurBase'))
    assert model.name() == 'ours, over stock'
    assert isinstance(model, Base) and model.stock_type == 'Base'
    assert models.get('Base') is Base


def test_stock_name_is_that_of_the_registry(models):
    models.register_module(name='Alias', module=type('Long', (Base,), {}))
    register_derived_models(models, Base, Mixin, 'Our', make)
    assert models.build(dict(type='OurAlias')).stock_type == 'Alias'


def test_refusal_says_why(models):
    with pytest.raises(TypeError, match='Unfit has no features'):
        models.build(dict(type='OurUnfit'))


def test_nothing_else_is_added_and_nothing_twice(models):
    names = {'Base', 'Unfit', 'Mixin', 'function', 'OurBase', 'OurUnfit'}
    before = dict(models.module_dict)
    register_derived_models(models, Base, Mixin, 'Our', make)
    assert set(before) == names and models.module_dict == before
