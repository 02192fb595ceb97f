"""The operator's hand: a local socket on which decisions are taken, and what speaks to it."""
