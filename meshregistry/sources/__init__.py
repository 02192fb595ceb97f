"""Registry sources: each reads one kind of registry and publishes updates."""
