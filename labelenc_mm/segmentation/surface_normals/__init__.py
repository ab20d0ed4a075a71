"""Surface normals at every pixel (PixelNet, arXiv 1609.06694, sec. 5.2)."""
