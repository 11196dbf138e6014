"""From a case as read to images that the members take: one grid, FLAIR on the DWI."""
