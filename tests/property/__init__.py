"""Hypothesis properties of the engine against slow truths."""
