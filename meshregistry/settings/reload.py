"""Settings of the reload of the settings file itself."""

from meshregistry.settings.fields import Duration, PositiveDuration, Section, setting


class Reload(Section):
    """Following changes of the settings file. SIGHUP reads it again in any case."""

    enabled: bool = setting(True, "Whether a changed settings file takes effect while the service runs.")
    check_interval: PositiveDuration = setting(
        10.0, "The file is looked at this often where the system does not tell of its changes."
    )
    settle: Duration = setting(0.2, "A changed file is taken once it has been the same for so long.")
