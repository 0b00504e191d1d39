"""Objects of a Python program as components: module factories, datasets of other libraries, strategies."""
