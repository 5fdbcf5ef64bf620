"""The paper's evidence: a module per section, records of every fit, and tables that are made of them."""
