"""Resources that people wrote: ServiceEntry and Sidecar files of a folder (Slime's kubefs)."""
