"""Records to text and JSON: pure, without root, bcc or a terminal."""
