"""Compares what two meshregistries serve, ours or Slime's, by their `xdsCache` pages."""
