_base_ = './label-autoencoder-128_1xb12-100e_voc12-256x256.py'
model = dict(channels=(32, 128, 128, 128, 256))
