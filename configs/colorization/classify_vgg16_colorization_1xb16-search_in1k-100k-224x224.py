# Table 3, ImNt-100k: VGG-16, pretrained by colorization.
_base_ = './classify_vgg16_1xb16-search_in1k-100k-224x224.py'
pretrained = 'work_dirs/colorize_vgg16-hist_1xb8-3e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
