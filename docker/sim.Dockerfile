# The digital twin and every test, without a robot, without ROS's launch system, without a GPU.
FROM ubuntu:24.04
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates make python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /workspace
COPY . .
RUN make setup
ENV PATH=/workspace/.venv/bin:$PATH
CMD ["world4rl", "up", "teleop_collect", "backend:=sim", "operator:=scripted", "task:=press_button", "episodes:=5"]
