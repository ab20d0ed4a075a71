"""``python -m labelenc_mm.toolbox``: what is installed, what is wrong, and how to mend it."""

import platform
import sys
from collections.abc import Callable

from packaging.version import Version

from labelenc_mm.toolbox.families import inspect_parts, installed_version, mending_command
from labelenc_mm.toolbox.registration import try_import


def report(
    version_of: Callable[[str], str | None] = installed_version,
    import_error: Callable[[str], Exception | None] = try_import,
) -> tuple[str, bool]:
    """Describe the installed toolbox.

    One of mmdet and mmseg may be missing: each is usable without the other.

    Args:
        version_of: From a distribution's name to its version or None.
        import_error: From a module's name to what importing it raises, or None.

    Returns:
        tuple[str, bool]: The text, and whether all that is needed is there and works.
    """
    findings = inspect_parts(version_of)
    torch = version_of('torch')
    known = any(finding.found for finding in findings.values())
    lines = [
        f'python    {platform.python_version()} ({sys.executable})',
        f'torch     {torch or "missing. To mend it: pip install torch"}',
        f'family    {findings["mmengine"].family if known else "none installed"}',
    ]
    sound = torch is not None and Version(torch) >= Version('2.1')
    if torch is not None and not sound:
        lines.append(
            '          older than 2.1, which this package needs. To mend it: pip install torch'
        )
    elif torch is not None and Version(torch) < Version('2.6'):
        lines.append(
            '          before torch 2.6 a checkpoint can run code even under weights_only=True '
            '(CVE-2025-32434): none is loaded without an opt-out (SECURITY.md)'
        )
    optional = {'mmdet', 'mmseg'}
    if all(findings[module].state == 'missing' for module in optional):
        optional = set()
    for module, finding in findings.items():
        found = ', '.join(f'{dist} {version}' for dist, version in finding.found.items()) or '-'
        error = None if finding.is_fault else import_error(module)
        state = 'broken' if error else finding.state
        lines.append(f'{module:9} {found}: {state}. {finding.explanation}'.rstrip())
        if error is not None:
            lines.append(f'          import fails with {type(error).__name__}: {error}')
            pin = f'"{finding.part.dists[finding.family]}=={finding.part.tested[finding.family]}"'
            options = '--force-reinstall --no-deps --no-build-isolation --no-cache-dir'
            lines.append(f'          To mend it: pip install {options} {pin}')
        if error is not None or finding.is_fault:
            sound = sound and finding.state == 'missing' and module in optional
    command = mending_command(findings.values())
    if command:
        lines.append(f'To mend what is missing or wrong: {command}')
    lines.append('All that is needed is in place.' if sound else 'Something has to be mended.')
    return '\n'.join(lines), sound


def main() -> int:
    """Print the report; the exit status is 1 where something has to be mended."""
    text, sound = report()
    print(text)
    return 0 if sound else 1


if __name__ == '__main__':
    sys.exit(main())
