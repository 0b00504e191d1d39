"""What a trial costs: time, memory, and the machine it was measured on."""
