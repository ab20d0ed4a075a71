# Stand-in for the launch script, which no test starts.
