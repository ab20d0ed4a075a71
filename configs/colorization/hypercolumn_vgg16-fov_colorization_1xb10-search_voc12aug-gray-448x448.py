# Sec. 4.1: the search of a schedule on nine tenths of VOC 2012 with the labels of SBD; a tenth, held out, tells when the
# rate drops. What counts as a stall, three validations without a better score, 500 iterations apart, is ours.
_base_ = './hypercolumn_vgg16-fov_colorization_1xb10-40k_voc12aug-gray-448x448.py'
lists = ('lists/train/1318_seed0.txt', 'lists/aug/8206_seed0.txt')
held_out = ('lists/train/heldout_146_seed0.txt', 'lists/aug/heldout_912_seed0.txt')
parts = _base_.train_dataloader.dataset.datasets
train_dataloader = dict(
    dataset=dict(
        datasets=[dict(parts[0], ann_file=lists[0]), dict(parts[1], ann_file=lists[1])],
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(parts[0], ann_file=held_out[0], pipeline=_base_.test_pipeline),
            dict(parts[1], ann_file=held_out[1], pipeline=_base_.test_pipeline),
        ],
    )
)
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='mIoU', rule='greater', factor=0.1, patience=2)
]
train_cfg = dict(max_iters=80000, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500), schedule_search=dict(type='ScheduleSearchHook'))
