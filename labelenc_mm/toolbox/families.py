"""The parts of the two toolbox families, and a verdict on those that are installed."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from packaging.version import Version

FORK, UPSTREAM = 'fork', 'upstream'


@dataclass(frozen=True)
class Part:
    """One import name, the distributions that provide it, and the versions we know.

    Attributes:
        module: What is imported.
        dists: Family -> distribution name.
        minimum: The oldest version that has what we use, in either family.
        tested: Family -> the newest version that our tests have run with.
        rivals: Further distributions with the same import name that cannot stand in.
    """

    module: str
    dists: dict[str, str]
    minimum: str
    tested: dict[str, str]
    rivals: tuple[str, ...] = ()


PARTS = (
    # 0.7.1 is what mmdet 3.0.0 itself asks for; package table, schemes and lazy imports are there.
    Part(
        'mmengine',
        {FORK: 'onedl-mmengine', UPSTREAM: 'mmengine'},
        '0.7.1',
        {FORK: '0.10.12', UPSTREAM: '0.10.7'},
    ),
    # 2.0.0 is the first without the training code that moved to mmengine. The rivals have no
    # compiled operators (lite) or belong to mmdet 2.x (full).
    Part(
        'mmcv',
        {FORK: 'onedl-mmcv', UPSTREAM: 'mmcv'},
        '2.0.0',
        {FORK: '2.3.6', UPSTREAM: '2.1.0'},
        ('mmcv-lite', 'mmcv-full', 'onedl-mmcv-lite'),
    ),
    # The first on mmengine, with data samples and `loss` / `predict`.
    Part(
        'mmdet',
        {FORK: 'onedl-mmdetection', UPSTREAM: 'mmdet'},
        '3.0.0',
        {FORK: '3.5.1', UPSTREAM: '3.3.0'},
    ),
    # The first with depth estimators, which are no segmentors of ours.
    Part(
        'mmseg',
        {FORK: 'onedl-mmsegmentation', UPSTREAM: 'mmsegmentation'},
        '1.1.2',
        {FORK: '1.4.2', UPSTREAM: '1.2.2'},
    ),
)


@dataclass(frozen=True)
class Finding:
    """What was found for one part.

    Attributes:
        part: The part.
        family: The family that the environment belongs to.
        found: Installed distribution -> version.
        state: ``ok``, ``source`` (importable, without package metadata), ``untested`` (newer than
            our tests: a warning) or a fault: ``missing``, ``doubled``, ``too old``, ``mixed``.
        explanation: Why it is in that state, where the state does not say it all.
    """

    part: Part
    family: str
    found: dict[str, str]
    state: str
    explanation: str = ''

    @property
    def is_fault(self) -> bool:
        """Whether something has to be mended before this part can be used."""
        return self.state not in ('ok', 'source', 'untested')

    def __str__(self) -> str:
        """Name the part, what was found and what is wrong with it."""
        found = ', '.join(f'{dist} {version}' for dist, version in self.found.items()) or '-'
        return f'{self.part.module} ({found}): {self.state}. {self.explanation}'.rstrip()


def installed_version(dist: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(dist)
    except importlib.metadata.PackageNotFoundError:
        return None


def inspect_parts(
    version_of: Callable[[str], str | None] = installed_version,
) -> dict[str, Finding]:
    """Find the installed family and judge every part.

    The family is the one that most parts belong to; when undecided the fork, which is the one that
    runs with current PyTorch.

    Args:
        version_of: From a distribution's name to its version or None.

    Returns:
        dict[str, Finding]: Import name -> finding, in the order in which they build on each other.
    """
    found = {part.module: _installed(part, version_of) for part in PARTS}
    votes = {
        family: sum(part.dists[family] in found[part.module] for part in PARTS)
        for family in (FORK, UPSTREAM)
    }
    family = UPSTREAM if votes[UPSTREAM] > votes[FORK] else FORK
    return {part.module: _judge(part, found[part.module], family) for part in PARTS}


def _installed(part: Part, version_of: Callable[[str], str | None]) -> dict[str, str]:
    versions = {name: version_of(name) for name in (*part.dists.values(), *part.rivals)}
    return {name: version for name, version in versions.items() if version is not None}


def _judge(part: Part, found: dict[str, str], family: str) -> Finding:
    def finding(state: str, explanation: str = '') -> Finding:
        return Finding(part, family, found, state, explanation)

    if not found:
        # A checkout on PYTHONPATH has no metadata: usable, but its version is not known.
        if importlib.util.find_spec(part.module) is not None:
            return finding('source', 'Imported from a plain source tree, version unknown.')
        return finding('missing')
    if len(found) > 1:
        return finding('doubled', f'Each installs into {part.module}/: either may run.')
    ((dist, version),) = found.items()
    if dist in part.rivals:
        return finding('mixed', f'{dist} lacks what is needed; {part.dists[family]} has it.')
    if dist != part.dists[family]:
        return finding('mixed', f'Most of this environment is the {family} family.')
    if Version(version) < Version(part.minimum):
        return finding('too old', f'At least {part.minimum} is needed.')
    # A local build of a version (2.3.6+cu126) is that version.
    if Version(Version(version).public) > Version(part.tested[family]):
        return finding('untested', f'The newest that was tested is {part.tested[family]}.')
    return finding('ok')


def mending_command(findings: Iterable[Finding]) -> str:
    """Return one command that mends all given faults and stays within their family.

    Everything doubled or of the other family goes first, all at once: mmcv requires mmengine, and
    pip would otherwise install one family's mmengine over the other's. Tested versions are named,
    since the newest of one part is not always accepted by another (mmdet 3.3.0, mmcv 2.2.0).

    Args:
        findings: Findings of one environment; those without a fault are passed over.

    Returns:
        str: A shell command, or an empty string where nothing is wrong.
    """
    faults = [finding for finding in findings if finding.is_fault]
    if not faults:
        return ''
    remove = [
        dist for fault in faults if fault.state in ('doubled', 'mixed') for dist in fault.found
    ]
    wanted = [
        f'"{fault.part.dists[fault.family]}=={fault.part.tested[fault.family]}"' for fault in faults
    ]
    if any(fault.part.module == 'mmcv' for fault in faults):
        # mmcv compiles its operators against the torch that is installed, so it must see it; the
        # set-up script of upstream's needs pkg_resources, which setuptools 82 dropped.
        wanted = ['--no-build-isolation', *wanted, '"setuptools<82"', 'wheel', 'ninja']
    command = f'pip install {" ".join(wanted)}'
    return f'pip uninstall -y {" ".join(remove)} && {command}' if remove else command
