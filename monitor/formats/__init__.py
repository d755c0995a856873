"""Untrusted bytes into events, one format a file."""
