"""The layer-application corpus: 182 stacks with the one right result each, on every backend."""
