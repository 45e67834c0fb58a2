"""Tools beside the model: hooks, data loading, checkpointing."""
