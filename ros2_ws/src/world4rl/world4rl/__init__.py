"""The ROS 2 side of World4RL: drivers, nodes, launch."""
