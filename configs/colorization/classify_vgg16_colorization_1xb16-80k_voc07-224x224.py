# Table 1: VGG-16, pretrained by colorization.
_base_ = './classify_vgg16_1xb16-80k_voc07-224x224.py'
pretrained = 'work_dirs/colorize_vgg16-hist_1xb8-10e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
