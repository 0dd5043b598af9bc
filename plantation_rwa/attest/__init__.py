"""What others can check without trusting us: records, Merkle tree, typed attestation; pure."""
