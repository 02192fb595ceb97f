"""A model of the istiod configuration client."""
