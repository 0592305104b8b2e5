"""The parts that tests build on: the server, a Docker daemon, images and plain HTTP."""
