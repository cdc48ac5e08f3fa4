"""Settlement: transfers, the chain, proofs and verification."""
