"""From a table to the smallest problem that is true and stable."""
