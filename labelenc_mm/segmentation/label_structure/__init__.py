"""Label structure (CVPR 2018): the label autoencoder and what it supervises."""
