# Table 3: ResNet-152, pretrained by colorization.
_base_ = './hypercolumn_r152_1xb10-40k_voc12aug-gray-448x448.py'
pretrained = 'work_dirs/colorize_r152-hist-no-hypercolumn_1xb8-3e_in1k-places205-352x352/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
