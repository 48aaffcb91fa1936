"""Segmenters for the 'images' of the trial dataset."""

import ctypes

import numpy as np

from trackbench import Evidence, PointCloud, Segmenter
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


class KnowingSegmenter(Segmenter):
    """Finds bright voxels, and takes their brightness for who they are."""

    name = "knowing"

    def segment(self, volume):
        bright = np.argwhere(volume.data[0] > 10)
        who = volume.data[0][tuple(bright.T)].astype(int)
        names = tuple(f"N{number}" for number in range(11, 31))
        log_p = np.full((len(bright), len(names) + 1), np.log(0.01))
        log_p[np.arange(len(bright)), who - 11] = np.log(0.8)
        return PointCloud(bright * volume.voxel_um, evidence=Evidence(names, log_p))
