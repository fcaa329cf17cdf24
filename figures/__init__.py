"""Every table and figure of the study, drawn from stored runs only: `python -m figures`.

Of the kit only `repro.store` and `repro.errors` are imported, so the pictures can be redrawn where the training
code is not installed. A new artefact is one module in
`figures/artefacts` and one line in `figures/artefacts/registry.py`.
"""

import repro.errors  # noqa: F401  before anything that computes: the kit says how threads wait
