"""The claims of the paper, and our own: asked in `claims.toml`, judged by the stored runs, told in sentences."""
