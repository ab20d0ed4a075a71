"""Decoder denoising pretraining (DDeP, 2022): a segmentor's decoder learns to take noise off photos."""
