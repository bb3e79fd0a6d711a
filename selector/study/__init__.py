"""What to try next: arms, sub-searches, the loop, and the verdict."""
