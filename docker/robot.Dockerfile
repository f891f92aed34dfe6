# The robot PC: ROS 2 Kilted on Ubuntu 24.04, the drivers, the nodes. Run on a real-time kernel of the host.
FROM ros:kilted-ros-base
RUN apt-get update \
 && apt-get install -y --no-install-recommends iproute2 make python3-venv ros-kilted-ros2bag ros-kilted-rosbag2-storage-mcap \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /workspace
COPY . .
RUN /ros_entrypoint.sh make setup \
 && cd ros2_ws && /ros_entrypoint.sh ../.venv/bin/python -m colcon build --symlink-install
ENV PATH=/workspace/.venv/bin:$PATH
CMD ["world4rl", "doctor", "--rig", "panda"]
