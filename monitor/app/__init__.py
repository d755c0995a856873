"""Putting the parts together: build, start, reload, stop. Embeddable: nothing here needs a terminal."""
