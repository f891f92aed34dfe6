"""The digital twin: a Franka arm at a table with the objects of six tasks, in MuJoCo."""
