"""The peers of the service that tests start on loopback."""
