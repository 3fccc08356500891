"""Hardware-aware architecture search for microcontrollers and Edge TPUs."""
