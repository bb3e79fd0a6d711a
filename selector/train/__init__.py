"""The only code that touches torch: banks, models, optimizers, schedules, data, objectives.

This file imports nothing, so that a process which trains nothing never pays for torch.
"""
