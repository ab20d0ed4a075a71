"""The wheel and the editable install, in throwaway environments of the toolbox that runs the tests.

Such an environment sees all packages of this one, so that pip decides as it would for someone who
already has a toolbox; whatever pip adds lands in the throwaway folder and is looked at there.
"""

import ast
import shutil
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from built_packages import CONTENT, ROOT, make_environment, run
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import labelenc_mm

TOOLBOX_OR_TORCH = ('torch', 'mm', 'onedl')


def tracked(folder):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def test_wheel_holds_configs_and_tools(wheel):
    assert wheel.name.startswith(f'labelenc_mm-{labelenc_mm.__version__}-')
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        shipped = {name.removeprefix('labelenc_mm/.mim/') for name in names if '/.mim/' in name}
        assert shipped == tracked('configs') | tracked('tools') | {'model-index.yml'}
        modules = {name for name in names if name.startswith('labelenc_mm/') and '.mim' not in name}
        assert modules == {name for name in tracked('labelenc_mm') if '/.mim/' not in name}
        index = yaml.safe_load(file.read('labelenc_mm/.mim/model-index.yml'))
        for metafile in index['Import']:
            models = yaml.safe_load(file.read(f'labelenc_mm/.mim/{metafile}'))['Models']
            assert all(f'labelenc_mm/.mim/{model["Config"]}' in names for model in models)


def test_source_distribution_holds_what_the_wheel_needs(source, tmp_path):
    """pip builds wheels from it, and setup.py copies configs and tools from there."""
    code = f'from setuptools import build_meta; build_meta.build_sdist({str(tmp_path)!r})'
    run(sys.executable, '-c', code, cwd=source)
    (path,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(path) as file:
        names = {name.partition('/')[2] for name in file.getnames()}
    needed = {name for folder in CONTENT for name in tracked(folder) if '/.mim/' not in name}
    assert 'configs/labelenc/demo/demo.yml' in needed
    assert needed | {'setup.py', 'pyproject.toml', 'model-index.yml', 'README.md'} <= names


def requirements_of(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith('.dist-info/METADATA'))
        metadata = Parser().parsestr(file.read(name).decode())
    return [Requirement(text) for text in metadata.get_all('Requires-Dist')]


def test_wheel_requires_neither_torch_nor_a_toolbox(wheel):
    requirements = requirements_of(wheel)
    hard = [requirement.name for requirement in requirements if requirement.marker is None]
    assert hard
    assert not [name for name in hard if name.startswith(TOOLBOX_OR_TORCH)]
    for requirement in requirements:
        operators = {specifier.operator for specifier in requirement.specifier}
        if requirement.name != 'setuptools':  # upstream mmengine imports what setuptools 82 dropped
            assert operators <= {'>=', '!='}, f'{requirement} has an upper bound'
    extras = {
        extra: {r.name for r in requirements if r.marker and r.marker.evaluate({'extra': extra})}
        for extra in ('fork', 'upstream')
    }
    assert not extras['fork'] & extras['upstream'], 'no distribution belongs to both families'


# What a machine's GPU or mmcv decides: see setup.py.
BROUGHT_BY_OTHERS = {'torch', 'cv2', 'prettytable'}  # the last by mmsegmentation
# What one tool alone asks for, by name.
ASKED_FOR = {'scipy': 'tools/dataset_converters/bsds.py'}


def third_party_imports():
    """Top-level name -> a file of the package or the tools that imports it, inside functions, too."""
    found = {}
    files = [*(ROOT / 'labelenc_mm').rglob('*.py'), *(ROOT / 'tools').rglob('*.py')]
    for path in files:
        ours = {'labelenc_mm'}
        if ROOT / 'tools' in path.parents:  # a script finds the modules beside it
            ours |= {other.stem for other in path.parent.glob('*.py')}
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in {name.partition('.')[0] for name in names}:
                if name not in ours | sys.stdlib_module_names:
                    found[name] = path.relative_to(ROOT).as_posix()
    return found


def test_what_is_imported_is_required(wheel):
    """And nothing else is; the toolboxes and what they bring are extras."""
    requirements = requirements_of(wheel)
    hard = {canonicalize_name(r.name) for r in requirements if r.marker is None}
    extras = {
        canonicalize_name(r.name)
        for r in requirements
        for extra in ('fork', 'upstream', 'edges', 'classification')
        if r.marker and r.marker.evaluate({'extra': extra})
    }
    installed = packages_distributions()
    used, undeclared = set(), {}
    for name, path in third_party_imports().items():
        names = {canonicalize_name(dist) for dist in installed.get(name, [name])}
        used |= names
        if name not in BROUGHT_BY_OTHERS and not names & (hard | extras):
            undeclared[name] = path
    assert undeclared == ASKED_FOR
    assert hard - used == set()


CHECK = """
import sys
from pathlib import Path
import labelenc_mm
from mmengine.config import Config

wanted = Path(sys.argv[1]).resolve()
assert wanted in Path(labelenc_mm.__file__).resolve().parents, labelenc_mm.__file__
try:
    labelenc_mm.config('labelenc/no_such_config.py')
except FileNotFoundError as error:
    assert 'no_such_config' in str(error)
for name in (
    'labelenc/_base_/labelenc.py',
    'label_structure/label-autoencoder-128_1xb12-100e_voc12-256x256.py',
):
    path = Path(labelenc_mm.config(name))
    assert path.is_absolute() and path.is_file(), path
    assert wanted in path.resolve().parents, path
    for base in ('labelenc_mm::' + name, str(path)):
        Path('child.py').write_text(f'_base_ = {base!r}')
        config = Config.fromfile('child.py')
        assert config.custom_imports.imports == ['labelenc_mm'], config
    Path('child.py').write_text(f'_base_ = __import__("labelenc_mm").config({name!r})')
    assert Config.fromfile('child.py').custom_imports.imports == ['labelenc_mm']
"""


@pytest.mark.parametrize('editable', [False, True])
def test_installation_beside_a_toolbox(source, wheel, editable, tmp_path):
    """pip adds us and nothing else, and our configs resolve by prefix, path and expression."""
    python, packages = make_environment(tmp_path / 'environment')
    before = {path.name for path in packages.iterdir()}
    pip = (python, '-m', 'pip', 'install', '--no-build-isolation', '--no-compile')
    run(*pip, *(['-e', source] if editable else [wheel]), cwd=tmp_path)
    added = {path.name for path in packages.iterdir()} - before
    assert added, 'pip has installed something'
    assert not [name for name in added if 'labelenc_mm' not in name]
    root = source if editable else packages
    run(python, '-c', CHECK, root, cwd=tmp_path)
    # A tool in a folder of its own finds the module beside it.
    tools = root / 'labelenc_mm' / '.mim' / 'tools'
    converter = tools / 'model_converters' / 'convert_authors_checkpoint.py'
    assert '--pixel-offset' in run(python, converter, '--help', cwd=tmp_path)
    if editable:
        mim = source / 'labelenc_mm' / '.mim'
        assert (mim / 'configs').is_symlink()
        assert (mim / 'configs').samefile(source / 'configs'), 'edits are seen at once'
        # A second installation replaces the links.
        run(*pip, '-e', source, cwd=tmp_path)
        assert (mim / 'model-index.yml').samefile(source / 'model-index.yml')


def test_clone_without_installation(source, tmp_path):
    """From a plain clone our configs are reached by path."""
    shutil.copytree(source / 'labelenc_mm', tmp_path / 'labelenc_mm', symlinks=True)
    shutil.rmtree(tmp_path / 'labelenc_mm' / '.mim', ignore_errors=True)
    shutil.copytree(source / 'configs', tmp_path / 'configs')
    code = 'import labelenc_mm; print(labelenc_mm.config("labelenc/_base_/labelenc.py"))'
    path = run(sys.executable, '-c', code, cwd=tmp_path).strip().splitlines()[-1]
    assert Path(path) == tmp_path / 'configs' / 'labelenc' / '_base_' / 'labelenc.py'
