# Table 1: ResNet-152, pretrained by colorization.
_base_ = './classify_r152_1xb16-80k_voc07-224x224.py'
pretrained = 'work_dirs/colorize_r152-hist-no-hypercolumn_1xb8-35e_in1k-places205-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
