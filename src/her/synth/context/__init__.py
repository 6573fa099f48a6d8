"""What stands around a scene: profiles and settings, from the text before it alone."""
