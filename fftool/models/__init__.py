"""The coordinate network: encodings, layers and the forward pass."""
