"""How good answers are: what two readings have in common, and what is right by known answers."""
