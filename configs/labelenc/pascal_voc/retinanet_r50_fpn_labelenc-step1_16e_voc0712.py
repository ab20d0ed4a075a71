_base_ = ['./retinanet_r50_fpn_1x_voc0712.py', '../_base_/labelenc.py']
model = dict(type='LabelEncRetinaNet', labelenc=dict(stage='autoencode'))
default_hooks = dict(reseed=dict(type='ReseedHook'))
# The 1x schedule, 4 epochs that go through the data 3 times each, after 4 more passes without the distance.
train_dataloader = dict(dataset=dict(times=1))
train_cfg = dict(max_epochs=16, val_interval=4)
param_scheduler = [dict(_base_.param_scheduler[0], end=16, milestones=[13])]
