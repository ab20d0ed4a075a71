"""The common part of the tools: configs, checkpoints and trained models as a command line names them."""
