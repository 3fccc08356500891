"""What is learned from measurements: a sum of the work times a correction, with intervals; nothing else learns."""
