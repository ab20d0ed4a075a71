"""What the tools share: configs, checkpoints and trained models as a command line names them."""
