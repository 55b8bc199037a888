"""How TensorFlow is loaded: quietly, and with oneDNN on every PC."""

import contextlib
import os
import platform

from gans_n_roses.machine.quiet import quietly

ONEDNN = 'TF_ENABLE_ONEDNN_OPTS'


@contextlib.contextmanager
def loading_tensorflow(errors=True):
    """For the block that imports TensorFlow; see `quietly` for what it does with `errors`, and `use_onednn`."""
    use_onednn()
    with quietly(errors):
        yield


def use_onednn():
    """Let TensorFlow take the kernels of the library oneDNN on every PC; what the environment says of it stands.

    On Linux TensorFlow takes them by itself only where the processor has VNNI, AMX or the like: AMD's from Zen 4 on,
    Intel's from 2019 on. With AVX2 alone a step takes a fifth to a quarter less time so. TensorFlow asks when it is
    imported.
    """
    if platform.machine() in ('x86_64', 'AMD64'):
        os.environ.setdefault(ONEDNN, '1')
