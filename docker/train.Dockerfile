# Training and export on NVIDIA GPUs: the CUDA build of torch, and onnxruntime with its CUDA provider.
FROM nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates make python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /workspace
COPY . .
RUN GPU=1 make setup
RUN .venv/bin/pip uninstall --yes onnxruntime && .venv/bin/pip install onnxruntime-gpu
ENV PATH=/workspace/.venv/bin:$PATH
CMD ["make", "demo"]
