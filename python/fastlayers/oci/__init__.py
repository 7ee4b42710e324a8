"""The documents of OCI images, references and platforms: pure values, no I/O."""
