# Tables 1 and 5: VGG-16, pretrained by classifying ImageNet, with layers of unit variance (sec. 4.1), on color images. The
# README says how vgg16_rgb.pth is made.
_base_ = './hypercolumn_vgg16-fov_1xb10-40k_voc12aug-gray-448x448.py'
model = dict(
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
    ),
    backbone=dict(
        in_channels=3,
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/vgg16_rgb.pth', prefix='backbone.'),
    ),
)
