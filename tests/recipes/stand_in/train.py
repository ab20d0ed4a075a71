"""Stand-in for tools/train.py: leaves what mmengine would, in no time and without mmengine."""

import argparse
import ast
import json
import os
import runpy
import sys
import time
from pathlib import Path


def parse_value(text: str):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('--work-dir', type=Path)
parser.add_argument('--resume', action='store_true')
parser.add_argument('--cfg-options', nargs='+', default=[])
args = parser.parse_args()
cfg = {'broken': False, 'die_after': 0, 'hold': None, **runpy.run_path(args.config)}
for option in args.cfg_options:
    key, value = option.split('=', 1)
    *parents, leaf = key.split('.')
    place = cfg
    for parent in parents:
        place = place[parent]
    place[leaf] = parse_value(value)

work, seed = args.work_dir, cfg['randomness']['seed']
first = 1
if args.resume:
    first = int((work / 'last_checkpoint').read_text().rsplit('_', 1)[1][:-4]) + 1
starts = len(list(work.glob('start_*')))
scalars = work / f'start_{starts}' / 'vis_data' / 'scalars.json'
scalars.parent.mkdir(parents=True)
if cfg['init_from']:
    print('starts from', Path(cfg['init_from']).read_text())
if cfg['broken']:
    sys.exit('this stage is broken')
for epoch in range(first, cfg['train_cfg']['max_epochs'] + 1):
    loss = 1 / epoch
    print(f'Epoch(train)  [{epoch}][10/10]  lr: 1.0e-02  eta: 0:00:01  time: 0.1  loss: {loss}')
    value = epoch * cfg['weight'] + seed
    with scalars.open('a') as file:
        file.write(json.dumps({'lr': 0.01, 'loss': loss, 'step': epoch * 10}) + '\n')
        file.write(json.dumps({'coco/bbox_mAP': value, 'step': epoch}) + '\n')
    checkpoint = work / f'epoch_{epoch}.pth'
    checkpoint.write_text(f'epoch {epoch}')
    (work / 'last_checkpoint').write_text(str(checkpoint))
    if cfg['die_after'] == epoch and not args.resume:
        os.kill(os.getpid(), 9)
    while cfg['hold'] and not Path(cfg['hold']).exists():
        time.sleep(0.05)
(work / 'artefact').write_text(f'{cfg["name"]} seed {seed}')
