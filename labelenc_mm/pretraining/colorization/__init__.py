"""Colorization (Larsson et al., CVPR 2017): a backbone learns to predict the colors of gray photos."""
