"""Debug pages, probes and metrics over HTTP."""
