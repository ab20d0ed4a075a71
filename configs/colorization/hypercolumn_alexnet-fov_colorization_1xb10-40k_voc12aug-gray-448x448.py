# Table 3: AlexNet, pretrained by colorization, with a larger field of view.
_base_ = './hypercolumn_alexnet-fov_1xb10-40k_voc12aug-gray-448x448.py'
pretrained = 'work_dirs/colorize_alexnet-hist_1xb8-3e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
