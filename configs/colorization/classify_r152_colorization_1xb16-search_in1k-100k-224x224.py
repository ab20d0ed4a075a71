# Table 3, ImNt-100k: ResNet-152, pretrained by colorization.
_base_ = './classify_r152_1xb16-search_in1k-100k-224x224.py'
pretrained = 'work_dirs/colorize_r152-hist-no-hypercolumn_1xb8-3e_in1k-places205-352x352/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
