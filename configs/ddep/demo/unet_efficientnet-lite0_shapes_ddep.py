# Fine-tuning of the U-Net whose decoder has been pretrained on scenes without labels.
_base_ = './unet_efficientnet-lite0_shapes.py'
pretrained = 'work_dirs/ddep_efficientnet-lite0_shapes/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained, target='noise')]
