"""Reading a learned problem: what each block wants, is limited by and believes, and how sure one can be of it."""
