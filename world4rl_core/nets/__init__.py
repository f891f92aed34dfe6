"""Network building blocks: U-Net, ResNet, encoders and action encodings."""
