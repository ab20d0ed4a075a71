"""The config folders of the papers, for the tests that look at all of one."""

from training_runs import ROOT

# Small data sets, beside the papers' own.
OURS = {
    'labelenc': ('bccd/', 'demo/', 'voc12/'),
    'label_structure': ('demo/', 'voc12/'),
    'ddep': ('demo/', 'voc12/'),
    'pixelnet': ('bsds500/', 'demo/', 'nyuv2_normals/', 'voc12/'),
    'colorization': ('demo/', 'voc12/'),
}


def names_of_the_paper(paper):
    """Configs of a paper's experiments, relative to its folder."""
    folder = ROOT / 'configs' / paper
    names = (path.relative_to(folder) for path in folder.rglob('*.py'))
    return {
        name.as_posix()
        for name in names
        if '_base_' not in name.parts and not name.as_posix().startswith(OURS[paper])
    }


def passes_an_epoch(config):
    """How often an epoch sees every image."""
    count, dataset = 1, config.train_dataloader.dataset
    while 'dataset' in dataset:
        count *= dataset.get('times', 1)
        dataset = dataset.dataset
    return count


def passes(config):
    """How often a training sees every image."""
    return config.train_cfg.max_epochs * passes_an_epoch(config)


def distinct_models(configs):
    """The first of the names of each model, among configs by name."""
    ordered = sorted(configs.items(), reverse=True)
    return sorted({repr(config.model): name for name, config in ordered}.values())


def without_gradient(model, losses):
    """The parameters that an iteration leaves without a gradient, for which DDP waits unless told."""
    loss, _ = model.parse_losses(losses)
    loss.backward()
    parameters = model.named_parameters()
    return [name for name, p in parameters if p.requires_grad and p.grad is None]
