"""Why the reducer looks at resources on its own account."""

from meshregistry.store.journal import Origin

TIMED = Origin("guard", None, "time passed")
HELD = Origin("guard", None, "mass rule")
SUPERSEDED = Origin("guard", None, "another service has the place")
EXPIRED = Origin("guard", None, "max_stale")
CONFIGURED = Origin("configuration")
NOT_READ = Origin("configuration", None, "not read any more")
MERGED = Origin("merge")
WITHIN_LIMITS = Origin("registry", None, "room within the limits of its source")
PODS = Origin("registry", None, "labels of pods")
