"""The atlas of arterial territories: not part of the project, put in place by its user."""
