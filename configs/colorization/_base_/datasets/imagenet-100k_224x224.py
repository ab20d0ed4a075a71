# ImNt-100k (sec. 6): 100 images of each class. A tenth of them, held out, tells when the rate drops (sec. 4.1); the test
# is on ImageNet's images for validation. tools/make_label_fraction.py divides the list.
_base_ = './imagenet_224x224.py'
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
    dataset=dict(ann_file='variants/100-a-class/90000_seed0.txt'),
)
val_dataloader = dict(
    dataset=dict(
        data_prefix=dict(img_path='train'), ann_file='variants/100-a-class/heldout_10000_seed0.txt'
    )
)
