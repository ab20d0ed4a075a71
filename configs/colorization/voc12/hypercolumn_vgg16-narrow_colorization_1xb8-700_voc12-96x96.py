# Fine-tuning of what a colorization has left.
_base_ = './hypercolumn_vgg16-narrow_1xb8-700_voc12-96x96.py'
pretrained = 'work_dirs/colorize_vgg16-narrow-hist_1xb16-50e_photos-96x96/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
