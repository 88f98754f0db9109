"""Verification: testbenches, their library, mutants and proofs of netlists."""
