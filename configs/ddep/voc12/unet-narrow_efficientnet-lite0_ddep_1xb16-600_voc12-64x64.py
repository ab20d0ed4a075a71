# Fine-tuning of the U-Net whose decoder DDeP has pretrained.
_base_ = './unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
pretrained = (
    'work_dirs/ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64/pretrained_segmentor.pth'
)
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained, target='noise')]
