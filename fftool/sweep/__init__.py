"""Many runs: every combination of files, networks and seeds, each with a checkpoint of its own."""
