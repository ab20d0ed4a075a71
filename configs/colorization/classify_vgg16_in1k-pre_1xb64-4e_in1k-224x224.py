# Tables 4, 5 and 6: the public VGG-16, trained on color images for 76 epochs, learns the labels of gray ones for 4 more
# (Table 4). The README says how gray.pth is made; the rate, a tenth of the others' and dropped for the last epoch, is
# ours.
_base_ = './classify_vgg16_1xb64-20e_in1k-224x224.py'
model = dict(
    data_preprocessor=dict(mean=[114.5] * 3, std=[57.6] * 3),
    backbone=dict(
        norm_cfg=None,
        fc_norm_cfg=None,
        init_cfg=dict(
            _delete_=True, type='Pretrained', checkpoint='work_dirs/gray.pth', prefix='backbone.'
        ),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [
    dict(type='MultiStepLR', begin=0, end=4, by_epoch=True, milestones=[3], gamma=0.1)
]
train_cfg = dict(max_epochs=4)
