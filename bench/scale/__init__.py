"""Scale curves: what time and memory do as bytes, files, layers and containers grow."""
