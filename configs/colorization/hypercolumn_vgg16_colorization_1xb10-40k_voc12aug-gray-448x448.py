# Table 3: VGG-16, pretrained by colorization.
_base_ = './hypercolumn_vgg16_1xb10-40k_voc12aug-gray-448x448.py'
pretrained = 'work_dirs/colorize_vgg16-hist_1xb8-3e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
