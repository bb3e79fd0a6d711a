"""Study file + overrides -> typed, frozen configuration."""
