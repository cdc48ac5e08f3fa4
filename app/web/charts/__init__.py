"""Charts as plain geometry; the templates in `templates/charts` draw them as SVG.

The plot lives in a coordinate space 1000 wide that stretches with the page, text is placed beside it in percent and
pixels and keeps its size. So a chart fits a phone and a desktop without a script, and needs no inline style.
"""
