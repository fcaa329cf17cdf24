"""How a table or figure looks: tables, captions, panels, curves, fonts, and a figure as bytes."""
