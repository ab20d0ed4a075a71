# Fine-tuning of the U-Net whose decoder DDeP has pretrained.
_base_ = './unet_efficientnet-lite0_shapes.py'
pretrained = 'work_dirs/ddep_unet_efficientnet-lite0_shapes/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
