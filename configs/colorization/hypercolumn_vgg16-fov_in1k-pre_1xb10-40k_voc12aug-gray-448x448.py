# Tables 5 and 6: VGG-16, pretrained by classifying ImageNet, for gray images and with layers of unit variance (sec. 4.1).
# The README says how vgg16_gray.pth is made. Images have the mean and deviation of its photos, equal in all channels.
_base_ = './hypercolumn_vgg16-fov_1xb10-40k_voc12aug-gray-448x448.py'
model = dict(
    data_preprocessor=dict(mean=[114.5] * 3, std=[57.6] * 3),
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='work_dirs/vgg16_gray.pth', prefix='backbone.')
    ),
)
