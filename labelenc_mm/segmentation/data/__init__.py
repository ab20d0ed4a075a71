"""Label maps on their way to a segmentor: pipelines, sizes, void labels."""
