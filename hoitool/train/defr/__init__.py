"""DEFR on the engine: recognition of whole pictures, and probes of its backbone."""
