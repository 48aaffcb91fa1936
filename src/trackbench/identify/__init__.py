"""Names the neurons of a user's worm: labels that know how sure they are, a table, a picture."""

from trackbench.identify.naming import Identification, abstain, identify
from trackbench.identify.table import write_table

__all__ = ["Identification", "abstain", "identify", "write_table"]
