"""What acts: Kafka, Redis, the worker, enforcement, the command line; the only package that touches the world."""
