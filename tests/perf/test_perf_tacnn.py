"""Speed of a training step and of an answer of tacnn, as ratios to one plain convolution."""

import time

import numpy as np
import pytest
import torch

from trackbench.plugins.tacnn.augment import Sample
from trackbench.plugins.tacnn.learner import Learner, predict
from trackbench.plugins.tacnn.network import Architecture

SHAPE, CLASSES = (16, 48, 64), 40
CONVOLUTIONS_A_STEP = 90
CONVOLUTIONS_AN_ANSWER = 45
"""Most convolutions of 16 to 16 channels (bfloat16, forward): three times what is measured."""


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def seconds(work):
    """Processor time of the best of three runs: others on the machine count for little."""
    taken = []
    for _ in range(3):
        begun = time.thread_time()
        work()
        taken.append(time.thread_time() - begun)
    return min(taken)


def convolution_seconds():
    kernel = torch.nn.Conv3d(16, 16, 3, padding=1).to(torch.bfloat16)
    image = torch.rand(1, 16, *SHAPE, dtype=torch.bfloat16)
    with torch.no_grad():
        kernel(image)
        return seconds(lambda: kernel(image))


def sample():
    labels = torch.zeros(SHAPE, dtype=torch.int16)
    rng = np.random.default_rng(0)
    for number in range(1, CLASSES):
        z, y, x = rng.integers(3, np.array(SHAPE) - 3)
        labels[z - 2 : z + 2, y - 2 : y + 2, x - 2 : x + 2] = number
    return Sample((labels > 0).float()[None], labels, np.array([2.0, 1.3, 1.3]))


def test_a_training_step(benchmark):
    learner, samples = Learner(Architecture(1, CLASSES), seed=0), [sample()]
    benchmark.pedantic(learner.step, (samples, [], 0.5, 30), rounds=3, warmup_rounds=1)
    ratio = seconds(lambda: learner.step(samples, [], 0.5, 30)) / convolution_seconds()
    benchmark.extra_info["over_convolution"] = ratio
    assert ratio < CONVOLUTIONS_A_STEP


def test_an_answer(benchmark):
    network = Learner(Architecture(1, CLASSES), seed=0).network
    image = sample().image.numpy()
    benchmark.pedantic(predict, (network, image), rounds=3, warmup_rounds=1)
    ratio = seconds(lambda: predict(network, image)) / convolution_seconds()
    benchmark.extra_info["over_convolution"] = ratio
    assert ratio < CONVOLUTIONS_AN_ANSWER
