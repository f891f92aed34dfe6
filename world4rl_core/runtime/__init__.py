"""What the nodes decide: no ROS, no vendor library, no clock of its own; time comes in as `now_s`."""
