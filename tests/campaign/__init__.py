"""Meshregistry under fire: named faults against the whole process and its registries, and a soak.

`python -m tests.campaign` and `python -m tests.campaign.soak`; what each fault does stands in docs/reliability.md.
"""
