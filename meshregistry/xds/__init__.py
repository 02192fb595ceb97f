"""The ADS server."""
