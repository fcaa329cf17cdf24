"""Learning without labels: BYOL, the additional positive, and who it is.

Knows neither Sacred nor MongoDB: it reports through a callback.
"""
