"""The colours of all figures.

They are those of Okabe and Ito, told apart by colour-blind readers; figures also differ lines in
style and bars in lightness, so that they survive in grey.
"""

BLUE, ORANGE, GREEN, VERMILLION, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#000000"
