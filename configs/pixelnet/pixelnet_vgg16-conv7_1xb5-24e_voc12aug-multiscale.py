# PASCAL VOC 2012 (sec. 4.1) with conv-7. One rate for the whole network and no dropout on hypercolumns, as in the
# authors' network for VOC.
_base_ = [
    './_base_/models/pixelnet_vgg16-conv7.py',
    './_base_/datasets/voc12aug_multiscale.py',
    './_base_/schedules/sgd_24e.py',
]
model = dict(decode_head=dict(num_classes=21, hypercolumn_dropout=0.0))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(_delete_=True)))
load_from = 'work_dirs/pixelnet_vgg16-conv7_1xb5-96e_voc12aug-half/epoch_80.pth'
