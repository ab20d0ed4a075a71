# The baseline of LabelEnc's Table 6 with MobileNetV2, whose details the paper leaves open: outputs of
# strides 4 to 32 before the last 1x1 convolution, batch norms with the statistics of ImageNet, as in ResNet.
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='MobileNetV2',
        out_indices=(1, 2, 4, 6),
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://mmdet/mobilenet_v2'),
    ),
    neck=dict(in_channels=[24, 32, 96, 320]),
)
# MobileNetV2 always has its last 1x1 convolution, which gets no gradient here.
find_unused_parameters = True
