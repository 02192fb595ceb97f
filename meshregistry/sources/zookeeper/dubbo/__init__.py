"""Dubbo in ZooKeeper, all of it pure: provider and consumer URLs, rules, application-level discovery."""
