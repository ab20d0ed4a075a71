# Tables 1 to 3, 5 and 6: VGG-16, pretrained by colorization, with a larger field of view.
_base_ = './hypercolumn_vgg16-fov_1xb10-40k_voc12aug-gray-448x448.py'
pretrained = 'work_dirs/colorize_vgg16-hist_1xb8-10e_in1k-places205-352x352/absorbed.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
