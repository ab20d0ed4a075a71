# Tables 1 and 3: ResNet-152, pretrained by colorization, with a larger field of view.
_base_ = './hypercolumn_r152-fov_1xb10-40k_voc12aug-gray-448x448.py'
pretrained = 'work_dirs/colorize_r152-hist-no-hypercolumn_1xb8-35e_in1k-places205-224x224/pretrained_segmentor.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
