"""A third party's plugins that try the harness: they crash, hang, throw, lie and count."""

from trackbench import hookimpl
from trackbench_trials.dataset import TrialDataset
from trackbench_trials.labelers import CrashingLabeler, PriorLabeler
from trackbench_trials.matchers import MATCHERS
from trackbench_trials.segmenters import CountedSegmenter, CrashingSegmenter, KnowingSegmenter


@hookimpl
def trackbench_matchers():
    return MATCHERS


@hookimpl
def trackbench_labelers():
    return [PriorLabeler, CrashingLabeler]


@hookimpl
def trackbench_segmenters():
    return [CountedSegmenter, CrashingSegmenter, KnowingSegmenter]


@hookimpl
def trackbench_datasets():
    return [TrialDataset]
