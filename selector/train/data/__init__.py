"""Text into token files, and token files into windows; numpy only, no torch."""
