"""Search without a generator: controls, operators that change crystals, and the campaign that learns as it relaxes."""
