"""The processes of sbtrace itself: what each does, and who ends what another one left."""
