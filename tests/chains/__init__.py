"""Tests of declared chains and Sigma rules."""
