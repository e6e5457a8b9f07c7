"""The sandbox: from a command and a profile to a waiting child that becomes the target."""
