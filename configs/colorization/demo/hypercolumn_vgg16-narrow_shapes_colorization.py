# Fine-tuning of what colorizing the scenes has left, its batch normalisation absorbed.
_base_ = './hypercolumn_vgg16-narrow_shapes.py'
pretrained = 'work_dirs/colorize_vgg16-narrow_shapes/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
