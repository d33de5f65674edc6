"""What `tools/bench/peers/run` is made of: the servers, the tables of what is measured, and how they are shown."""
