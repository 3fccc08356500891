"""All that learns from measurements: a sum of the work times a correction, with intervals."""
