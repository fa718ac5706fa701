"""What acts: Kafka, Redis, the worker, enforcement, the command line; all that touches the world."""
