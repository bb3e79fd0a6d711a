"""What acts against overfitting and instability, each with its own value in every slot.

    dropout.py           elements of activations, dropped by a hash
    stochastic_depth.py  whole residual branches of a sequence, dropped by the same hash
    loss.py              cross-entropy; label smoothing and z-loss
    penalty.py           L1
    sharpness.py         SAM: the gradient a step uphill from the weights
    clipping.py          of the gradient's norm and of its values
    averaging.py         EMA and SWA of the weights; horizon.py: how far they reach
    stopping.py          patience, and the best evaluation

A 0 turns each of them off; what is off costs nothing, since runs in which different ones are on
never share a bank (`selector.config.identity.fuse_key`).
"""
