# Table 4: C1000, VGG-16 trained from scratch on gray images. Batch normalisation has neither scale nor shift (sec. 4.1), as
# in the colorization, and is absorbed afterwards, too.
_base_ = [
    './_base_/classification_runtime.py',
    './_base_/models/classifier_vgg16.py',
    './_base_/datasets/imagenet_224x224.py',
    './_base_/schedules/classification_20e.py',
]
norm_cfg = dict(type='BN', affine=False, momentum=0.001)
model = dict(
    backbone=dict(
        norm_cfg=norm_cfg,
        fc_norm_cfg=norm_cfg,
        init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'),
    )
)
log_processor = dict(by_epoch=True)
