"""AWS: CloudTrail."""
