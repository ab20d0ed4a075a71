"""Pictures and figures of what a training has learned."""
