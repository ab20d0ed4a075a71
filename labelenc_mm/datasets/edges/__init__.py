"""Edges by several annotators: the data set, loading, augmentation."""
