"""The pods and nodes of Kubernetes clusters: whose labels the endpoints of pods get."""
