"""One module per table or figure; `figures/artefacts/registry.py` lists them."""
