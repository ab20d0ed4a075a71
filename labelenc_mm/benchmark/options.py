"""Options that every benchmark has on its command line."""

import argparse
from pathlib import Path

import torch
from mmengine.device import get_device


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a parser."""
    parser.add_argument('--device', choices=['cpu', 'cuda'], help='default: a GPU if there is one')
    parser.add_argument('--rounds', type=int, default=3, help='timed iterations (default: 3)')
    parser.add_argument(
        '--threads', type=int, help='of PyTorch on the CPU (default: its own choice)'
    )
    parser.add_argument('--seed', type=int, default=0, help='of weights and data (default: 0)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='also write the report there')


def apply_options(args: argparse.Namespace) -> None:
    """Choose the device, and refuse what cannot be done before the work begins.

    Raises:
        ValueError: If there is no such device, or nothing to time.
    """
    args.device = args.device or ('cuda' if get_device() == 'cuda' else 'cpu')
    if args.device == 'cuda' and not torch.cuda.is_available():
        raise ValueError('--device cuda: PyTorch finds no GPU')
    if args.rounds < 1:
        raise ValueError(f'--rounds must be at least 1, got {args.rounds}')
    if args.json is not None:  # its folder is made before the work, whose result it will hold
        args.json.parent.mkdir(parents=True, exist_ok=True)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
