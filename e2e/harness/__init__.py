"""What the tests stand on: the server, a Docker daemon, images and plain HTTP."""
