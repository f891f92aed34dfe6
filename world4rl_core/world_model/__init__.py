"""The diffusion transition model: EDM preconditioning, denoiser, sampler."""
