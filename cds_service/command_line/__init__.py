"""Commands that have more to say than a few lines, each in a module of its own."""
