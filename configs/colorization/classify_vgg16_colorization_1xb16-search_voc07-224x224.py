# Sec. 4.1: the search of a schedule on nine tenths of VOC 2007; a tenth, held out, tells when the rate drops. What counts
# as a stall, three validations without a better score, 500 iterations apart, is ours.
_base_ = './classify_vgg16_colorization_1xb16-80k_voc07-224x224.py'
train_dataloader = dict(dataset=dict(ann_file='lists/4510_seed0.txt'))
val_dataloader = dict(dataset=dict(ann_file='lists/heldout_501_seed0.txt'))
param_scheduler = [
    dict(type='ReduceOnPlateauLR', monitor='mAP', rule='greater', factor=0.1, patience=2)
]
train_cfg = dict(max_iters=80000, val_interval=500)
default_hooks = dict(checkpoint=dict(interval=500), schedule_search=dict(type='ScheduleSearchHook'))
