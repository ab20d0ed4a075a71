"""Run a recipe: training stages chained by what they leave, over a grid of options and seeds.

Repeat the command to go on after any interruption. The file's format is described in
labelenc_mm/recipes/recipe.py.
"""

import argparse
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

from labelenc_mm.files import local_path

TOOLS = Path(__file__).resolve().parent


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('recipe', type=local_path, help='YAML file')
    parser.add_argument(
        '--work-dir', type=Path, help='folder of all runs (default: work_dirs/<recipe>)'
    )
    parser.add_argument(
        '--only',
        nargs='+',
        action='extend',
        metavar='STAGE',
        help='these stages, and what they need',
    )
    parser.add_argument(
        '--seeds', nargs='+', action='extend', type=int, help='in place of the seeds of the recipe'
    )
    parser.add_argument(
        '--set',
        nargs='+',
        action='extend',
        default=[],
        metavar='NAME=VALUE',
        help='variables of the recipe',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='config options of every train and test stage',
    )
    parser.add_argument('--jobs', type=int, default=1, help='runs at a time (default: 1)')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm'], default='none')
    parser.add_argument(
        '--nproc', type=int, default=1, help='processes of one run under a launcher'
    )
    parser.add_argument('--partition', default='', help='Slurm partition')
    parser.add_argument(
        '--tools-dir',
        type=Path,
        default=TOOLS,
        help='folder of train.py, test.py and the launch scripts (default: beside this file)',
    )
    parser.add_argument('--dry-run', action='store_true', help='only print what would run')
    args = parser.parse_args(argv)
    for option in ('jobs', 'nproc'):
        if getattr(args, option) < 1:
            parser.error(f'--{option} {getattr(args, option)}: at least 1')
    if args.launcher == 'none' and args.nproc > 1:
        parser.error(
            '--nproc is for --launcher pytorch or slurm; --jobs is how many runs go at a time'
        )
    if args.launcher == 'slurm' and not args.partition:
        parser.error('--launcher slurm needs --partition')
    return args


def read_pairs(pairs: list[str], option: str) -> dict[str, object]:
    """``NAME=VALUE`` strings to a dict, values read as YAML."""
    from labelenc_mm import recipes

    values: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition('=')
        if not equals:
            raise recipes.RecipeError(f'{option} {pair}: expected NAME=VALUE')
        values[name] = recipes.read_yaml(
            value,
            f'{option} {textwrap.shorten(pair, 200)}: expected a value in YAML, put text with brackets, '
            'colons or quotes into quotes',
        )
    return values


def read_commit() -> str:
    """Short commit of the repository of these tools, marked where files have been changed."""
    git = ['git', '-C', str(TOOLS)]
    try:
        commit = subprocess.run(
            [*git, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True, check=True
        )
        changes = subprocess.run(
            [*git, 'status', '--porcelain', '-uno'], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'
    return commit.stdout.strip() + ('+changes' if changes.stdout.strip() else '')


def main(argv: list[str] | None = None) -> int:
    """Run a recipe; the exit status is 1 if a run failed, 2 if the recipe cannot be run."""
    from labelenc_mm import recipes

    args = parse_args(argv)
    work_dir = (args.work_dir or Path('work_dirs') / args.recipe.stem).resolve()
    settings = recipes.LaunchSettings(
        args.tools_dir.resolve(), args.launcher, args.nproc, args.partition, args.jobs
    )
    try:
        if work_dir.exists() and not work_dir.is_dir():
            raise recipes.RecipeError(f'--work-dir {work_dir}: is a file; expected a folder')
        recipe = recipes.read_recipe(
            args.recipe,
            seeds=args.seeds,
            variables=read_pairs(args.set, '--set'),
            options=read_pairs(args.cfg_options, '--cfg-options'),
        )
        plan = recipes.make_plan(recipe, work_dir, settings.tools_dir, args.only)
        if args.dry_run:
            for run in plan.runs.values():
                state = recipes.read_state(run, work_dir)
                if state != 'done':
                    recipes.expect_startable(run, work_dir, settings)
                run = recipes.decide(run, work_dir)
                command = recipes.command_line(run, work_dir, settings)
                print(f'{run.name} ({state}): {shlex.join(command)}')
            return 0
        failures = recipes.Executor(plan, work_dir, settings, read_commit()).execute()
        print(f'\n{recipes.write_report(plan, work_dir)}')
    except (recipes.RecipeError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nstopped; the same command goes on from here', file=sys.stderr)
        return 130
    print(
        f'Written to {work_dir}: table.md, results.json'
        + ''.join(f', {p["file"]}' for p in recipe.plots)
    )
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
