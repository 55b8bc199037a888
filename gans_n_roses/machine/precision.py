"""float32 or bfloat16: the type that this machine computes faster in.

How exact bfloat16 is depends on the processor: see ops.py. Where its sums are inexact it is slow as well, so PRECISION
'auto' does not choose it there.
"""

import os
from pathlib import Path

import tensorflow.compat.v1 as tf

from gans_n_roses.machine.quiet import ONEDNN

CPUINFO = Path('/proc/cpuinfo')  # Linux only
QUICK = {'avx512_bf16', 'amx_bf16'}  # instructions for bfloat16, as Linux names them
HELD = 'ONEDNN_MAX_CPU_ISA'  # environment variable that keeps oneDNN from using all of a processor's instructions
WHY = {'bfloat16': 'this processor has instructions for it',
       'float32': 'nothing here is known to make bfloat16 quicker'}


def choose_precision():
    """The type that PRECISION 'auto' takes: 'bfloat16' where it is known to be quicker, else 'float32'.

    It is quicker (0.4 to 0.75 of float32's time) on processors that have instructions for it, used by oneDNN. On others
    it takes 4 to 20 times as long; nobody has measured it on a GPU. Nothing is timed: on one machine the answer is
    always the same, however busy it is.
    """
    held = os.environ.get(ONEDNN, '').lower() in ('0', 'false') or HELD in os.environ
    quick = not held and not tf.config.list_physical_devices('GPU') and QUICK & _flags()
    return 'bfloat16' if quick else 'float32'


def compute_dtype(precision):
    """The tf.DType that the layers compute in, for PRECISION 'float32', 'bfloat16' or 'auto'."""
    return tf.as_dtype(choose_precision() if precision == 'auto' else precision)


def _flags():
    """What Linux says of the processor, word by word: a set of str; empty on another system."""
    try:
        return set(CPUINFO.read_text(encoding='utf-8').split())
    except OSError:
        return set()
