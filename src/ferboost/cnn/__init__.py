"""The convolutional network: shapes, precision, augmentation, training, checkpoints."""

import torch

# Until the number of threads is set once, MKL chooses it anew for every product, and sums round
# differently: a resumed training, which measures nothing, would end with other weights.
torch.set_num_threads(torch.get_num_threads())
