# Fine-tuning of the U-Net whose decoder DDeP has pretrained.
_base_ = './unet-narrow_efficientnet-lite0_1xb16-600_voc12-96x96.py'
pretrained = (
    'work_dirs/ddep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-96x96/pretrained_segmentor.pth'
)
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
