"""What this machine can do for Automa, and how to get more: checks, each with a finding."""
