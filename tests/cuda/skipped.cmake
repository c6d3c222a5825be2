message("SKIPPED: moesim-gpu was not built: ${WHY}")
