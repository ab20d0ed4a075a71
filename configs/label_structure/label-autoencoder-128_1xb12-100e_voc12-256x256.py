_base_ = [
    './_base_/datasets/voc12_256x256.py',
    './_base_/schedules/scratch_100e.py',
]
model = dict(type='LabelAutoEncoder', num_classes=21)
