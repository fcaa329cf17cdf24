"""Per-image gradients of a network's layers, and their inner products: what pairwise TracIn is computed from."""
