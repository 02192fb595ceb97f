"""Settings: one schema in Slime's words, read by the application root only."""
