"""Fluorescence of tracked neurons through time, corrected for what isn't calcium."""

from trackbench.traces.activity import Activity, activity
from trackbench.traces.extract import Fluorescence, extract
from trackbench.traces.files import write_traces
from trackbench.traces.sample import SampleConfig

__all__ = ["Activity", "Fluorescence", "SampleConfig", "activity", "extract", "write_traces"]
