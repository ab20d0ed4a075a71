# The decoder was pretrained by DDeP (Table 6).
_base_ = './transunet-3x_4xb4-80k_pascal-context-59-512x512.py'
pretrained = 'work_dirs/ddep_transunet-3x_8xb64-100e_in21k-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained, target='noise')]
