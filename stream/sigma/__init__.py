"""Sigma rules and correlations, compiled to be executed in the stream; pySigma reads them."""
