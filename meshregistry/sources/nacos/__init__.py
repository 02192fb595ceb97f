"""The Nacos source."""
