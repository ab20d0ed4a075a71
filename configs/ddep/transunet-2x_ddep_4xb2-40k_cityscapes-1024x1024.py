# The decoder was pretrained by DDeP (Figure 6).
_base_ = './transunet-2x_4xb2-40k_cityscapes-1024x1024.py'
pretrained = 'work_dirs/ddep_transunet-2x_8xb64-100e_in21k-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained, target='noise')]
