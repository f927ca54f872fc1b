"""What users write in configurations and commands: reading it, and saying in one sentence what is wrong."""
