# The whole network was pretrained by DeP (Figure 6; Tables 1 and 2 with the files of their own trainings).
_base_ = './transunet_4xb2-40k_cityscapes-1024x1024.py'
pretrained = 'work_dirs/dep_transunet_8xb64-6000e_cityscapes-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
