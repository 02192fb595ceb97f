"""The versioned snapshot and its single writer."""
