"""The audit log's shape: kinds of entry, canonical bytes, Merkle tree."""
