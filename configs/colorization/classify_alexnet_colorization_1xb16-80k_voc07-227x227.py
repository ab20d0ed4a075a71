# Table 1: AlexNet, pretrained by colorization.
_base_ = './classify_alexnet_1xb16-80k_voc07-227x227.py'
pretrained = 'work_dirs/colorize_alexnet-hist_1xb8-10e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
