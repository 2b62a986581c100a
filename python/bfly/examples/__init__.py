# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Programs that train models made of bfly's mixers, and generate text from one (docs/training.md).

    python -m bfly.examples.train_fftnet      FFTNet, on synthetic sequences or on a text
    python -m bfly.examples.generate          text from a model that train_fftnet has saved
    python -m bfly.examples.train_fft_ia      a transformer with FFT-IA's attention beside one with softmax attention
    python -m bfly.examples.plots             the plot of a recorded training, once more

They need torch, and the packages of python/requirements-torch.txt; the rest of bfly does not.
"""
