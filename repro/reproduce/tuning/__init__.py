"""Recipes chosen on validation images, before a study."""
