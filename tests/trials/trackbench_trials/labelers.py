"""Labelers: one that needs no match, one that crashes."""

import ctypes

import numpy as np

from trackbench import Evidence, Labeler


class PriorLabeler(Labeler):
    """Says the same of every neuron."""

    name = "prior"
    uses_matches = False

    def fit(self, references):
        return tuple(sorted({name for cloud in references for name in cloud.names or () if name}))

    def evidence(self, fitted, test, matches):
        columns = len(fitted) + 1
        return Evidence(fitted, np.full((len(test), columns), -np.log(columns)))


class CrashingLabeler(PriorLabeler):
    """Reads address 0."""

    name = "crashing-labeler"
    uses_matches = True

    def evidence(self, fitted, test, matches):
        return ctypes.string_at(0)
