"""Settings of the protection against shrinking, for everything and per source."""

from meshregistry.settings.fields import Duration, OptionalDuration, Ratio, Section, setting


class Guard(Section):
    """How long things outlive their registrations. Additions always flow."""

    empty_grace: Duration = setting(
        10.0, "How long a service's last endpoints stay after the registry dropped them; 0 = not at all."
    )
    mass_ratio: Ratio = setting(
        0.3,
        "A shrink of a scope by more than this share of its endpoints within a minute is held; 0 = never hold.",
    )
    mass_min: int = setting(10, "A shrink by fewer endpoints than this is never held.", unit="endpoints")
    mass_hold: Duration = setting(600.0, "How long a held shrink must be confirmed before it is accepted.")
    delete_after: Duration = setting(600.0, "An emptied ServiceEntry is removed after this.")
    port_grace: Duration = setting(
        600.0, "How long a service port outlives its last instance; a port that flaps costs full pushes."
    )
    max_stale: OptionalDuration = setting(
        None,
        "Endpoints of a scope that could not be read for longer are dropped; none = never.",
    )
