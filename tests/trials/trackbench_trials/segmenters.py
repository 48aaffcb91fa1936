"""Segmenters for the 'images' of the trial dataset."""

import ctypes

import numpy as np

from trackbench import PointCloud, Segmenter
from trackbench_trials.counting import note


class CountedSegmenter(Segmenter):
    """Finds all neurons but the first, one of them 100 µm off, and one that isn't there."""

    name = "counted-segmenter"

    def segment(self, volume):
        note(f"segment {volume.id}")
        points = np.array(volume.data[0, :, :, 0])
        points[1] += 100.0
        extra = np.full((1, 3), 500.0, dtype=np.float32)
        return PointCloud(np.concatenate([extra, points[:0:-1]]), id=volume.id)


class CrashingSegmenter(Segmenter):
    """Reads address 0."""

    name = "crashing-segmenter"

    def segment(self, volume):
        return ctypes.string_at(0)
