# Table 3: with conv-7, (0.5-0.25,0.5,1.0): the network of scale 0.5 before the first drop goes on at three scales.
_base_ = [
    './_base_/models/pixelnet_vgg16-conv7.py',
    './_base_/datasets/pascal_context_59_multiscale.py',
    './_base_/schedules/sgd_24e.py',
]
load_from = 'work_dirs/pixelnet_vgg16-conv7_1xb5-96e_pascal-context-59-half/epoch_80.pth'
