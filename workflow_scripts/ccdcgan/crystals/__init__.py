"""What a crystal is at any stage: structure sets, standard cell, sameness, descriptors, regression over crystals."""
