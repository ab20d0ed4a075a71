# The decoder was pretrained by DDeP (Figure 7); all weights of that training are taken.
_base_ = './transunet_4xb4-160k_ade20k-512x512.py'
pretrained = 'work_dirs/ddep_transunet_8xb64-100e_in21k-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained, target='noise')]
