"""One module per table or figure; `figures/registry.py` lists them."""
