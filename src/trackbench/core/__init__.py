"""What every part of trackbench shares: values, interfaces, registry, assignment, geometry."""
