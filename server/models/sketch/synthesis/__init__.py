"""Makes the sound of single notes and drum hits."""
