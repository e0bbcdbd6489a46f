"""How fast the service is: bodies of its own, the service as it is deployed, and a floor measured in the same run."""
