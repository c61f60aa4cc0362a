"""The published weights: where they are, in which layout, and every size read from them."""
