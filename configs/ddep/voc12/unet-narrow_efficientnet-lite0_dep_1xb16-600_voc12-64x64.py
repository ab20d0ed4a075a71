# Fine-tuning of the U-Net that DeP has pretrained as a whole.
_base_ = './unet-narrow_efficientnet-lite0-scratch_1xb16-600_voc12-64x64.py'
pretrained = (
    'work_dirs/dep_unet-narrow_efficientnet-lite0_1xb16-20e_photos-64x64/pretrained_segmentor.pth'
)
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
