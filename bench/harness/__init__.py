"""The parts of the benchmark: what is run, how it is measured, what is checked, how it is shown."""
