"""What became of the cards, counted for a committee: numbers, and the same numbers in a terminal and on a page."""
