"""Recordings: one worm through time, read one volume at a time.

A recording is never loaded whole: `open_recording` looks at headers alone, and each volume is
read when it is asked for.

=================  ==========================================================================
module             format
=================  ==========================================================================
`hdf5`             one HDF5 file in targettrack's layout: ``{t}/frame``, ``pointdat``
`tiff`             a folder with a TIFF a volume, or one TIFF with a time axis
`array_files`      a folder with a ``.npy`` image a volume
`point_files`      a folder with the neurons of a volume a file: CSV, fDNC's ``.npy`` or ``.data``
=================  ==========================================================================
"""

from trackbench.datasets.recordings.opening import open_recording
from trackbench.datasets.recordings.recording import Header, Recording

__all__ = ["Header", "Recording", "open_recording"]
