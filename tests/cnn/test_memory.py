"""While memory is kept, taking it again costs no page faults."""

import platform
import sys

import pytest
import torch

from ferboost.cnn.memory import keep_freed_memory

resource = pytest.importorskip("resource")


def faults_of_twenty_steps() -> int:
    """Page faults of taking and freeing 2048 pages, twenty times."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2048 * 1024)
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="only glibc is told"
)
def test_freed_memory_is_taken_again_without_faults() -> None:
    with keep_freed_memory():
        faults_of_twenty_steps()  # the first ones have nothing to take again
        kept = faults_of_twenty_steps()
    given_back = faults_of_twenty_steps()
    assert kept < given_back / 4
