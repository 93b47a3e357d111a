"""Pages that put several features side by side: the start page and the page of one case."""
