# Table 3, ImNt-100k: AlexNet, pretrained by colorization.
_base_ = './classify_alexnet_1xb16-search_in1k-100k-224x224.py'
pretrained = 'work_dirs/colorize_alexnet-hist_1xb8-3e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
