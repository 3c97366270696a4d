"""The names of the methods."""

OCCLUSION, INTEGRATED_GRADIENTS, WEIGHTS = "occlusion", "integrated-gradients", "weights"
METHODS = (OCCLUSION, INTEGRATED_GRADIENTS, WEIGHTS)
