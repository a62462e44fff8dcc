"""One hook a platform; transport only."""
