"""What is bet on besides numbers: how often something bad happens, and which categories come."""
