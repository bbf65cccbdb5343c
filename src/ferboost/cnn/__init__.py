"""The convolutional network: shapes, precision, augmentation, training, checkpoints."""
