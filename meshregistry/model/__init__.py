"""The pure core: instances, ServiceEntries and the rules that turn one into the other."""
