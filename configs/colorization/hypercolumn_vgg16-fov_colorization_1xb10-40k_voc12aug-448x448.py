# Table 5: VGG-16, pretrained by colorization, on color images. Each filter of its first layer stands three times, divided by
# three (sec. 4.1, tools/model_converters/convert_first_layer.py).
_base_ = './hypercolumn_vgg16-fov_1xb10-40k_voc12aug-gray-448x448.py'
model = dict(data_preprocessor=dict(type='SegDataPreProcessor'), backbone=dict(in_channels=3))
pretrained = 'work_dirs/colorize_vgg16-hist_1xb8-10e_in1k-places205-352x352/absorbed_rgb.pth'
custom_hooks = [dict(type='LoadPretrainedSegmentor', checkpoint=pretrained)]
